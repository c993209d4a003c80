package sieve

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is what is wrong with a script and where. Lines and columns count from 1,
// columns in characters.
type Error struct {
	Line, Column int
	Text         string

	cause error
}

// Error is the place and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// Unwrap is ErrTooMuch, or nil.
func (e *Error) Unwrap() error { return e.cause }

// ErrTooMuch is wrapped by the errors of scripts that want more than Limits allow.
var ErrTooMuch = errors.New("the script asks too much")

// errorAt makes an Error for an offset of the source.
func errorAt(source string, offset int, format string, args ...any) *Error {
	before := source[:min(offset, len(source))]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	text := fmt.Errorf(format, args...)
	return &Error{
		Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(line) + 1,
		Text: text.Error(), cause: errors.Unwrap(text),
	}
}
