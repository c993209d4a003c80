package main

import (
	"errors"
	"fmt"
	"io"
)

// Exit codes: the verdicts of check, and those of sysexits for what went wrong
// before anything was judged.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 64
	exitNoInput     = 66
	exitUnreachable = 69
	exitTemporary   = 75
	exitConfig      = 78
	exitInterrupted = 130 // as shells say of SIGINT
)

// failure ends a command: one line, a hint, and the exit code.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(err error, hint string) error   { return &failure{exitUsage, err, hint} }
func noInput(err error, hint string) error { return &failure{exitNoInput, err, hint} }
func unreachable(err error, hint string) error {
	return &failure{exitUnreachable, err, hint}
}
func badConfig(err error, hint string) error { return &failure{exitConfig, err, hint} }

// exit ends a command with a code and nothing more to say.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// report prints what ended a command and returns the exit code.
func report(w io.Writer, err error) int {
	var code exit
	var f *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &f):
		fmt.Fprintf(w, "allgreen: %s\n", f.err)
		if f.hint != "" {
			fmt.Fprintf(w, "hint: %s\n", f.hint)
		}
		return f.code
	}
	fmt.Fprintf(w, "allgreen: %s\n", err)
	return exitFailed
}
