package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// answer is what a command that was done is answered beside OK. The zero value says
// nothing more than that.
type answer struct {
	code string // a response code without its brackets: "READ-WRITE"
	text string // empty: "FETCH done"
}

// refusal is a command that was not done.
type refusal struct {
	status string // NO or BAD
	code   string // a response code without its brackets; may be empty
	text   string
}

// Error is the answer as it is sent.
func (r *refusal) Error() string {
	if r.code == "" {
		return r.status + " " + r.text
	}
	return r.status + " [" + r.code + "] " + r.text
}

// errAnswered is a command that has been answered already, or cannot be any more.
var errAnswered = errors.New("answered already")

// no refuses a command that cannot be done, with a code of RFC 5530 or none.
func no(code, format string, args ...any) error {
	return &refusal{"NO", code, fmt.Sprintf(format, args...)}
}

// bad refuses what breaks the rules of the protocol.
func bad(format string, args ...any) error {
	return &refusal{"BAD", "", fmt.Sprintf(format, args...)}
}

// refusals are the errors of the mailbox that are the client's to hear.
var refusals = []struct {
	err  error
	code string
	text string
}{
	{mailbox.ErrNoFolder, "NONEXISTENT", "There is no such folder"},
	{mailbox.ErrFolderExists, "ALREADYEXISTS", "There is a folder of that name or use"},
	{mailbox.ErrFolderName, "CANNOT", "No folder can have that name"},
	{mailbox.ErrSealed, "CANNOT", "This folder takes nothing in"},
	{mailbox.ErrQuota, "OVERQUOTA", "The mailbox is full"},
	{mailbox.ErrNoMessage, "EXPUNGEISSUED", "The message is gone"},
}

// refusalOf is what a client hears of an error, and whether the error is our own
// trouble, which belongs into the log.
func refusalOf(err error) (r *refusal, trouble bool) {
	if errors.As(err, &r) {
		return r, false
	}
	for _, known := range refusals {
		if errors.Is(err, known.err) {
			return &refusal{"NO", known.code, known.text}, false
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &refusal{"NO", "UNAVAILABLE", "Shutting down"}, false
	case store.Temporary(err):
		return &refusal{"NO", "UNAVAILABLE", "Temporary failure here; please try again later"}, true
	}
	return &refusal{"NO", "SERVERBUG", "Something went wrong here; it stands in the log"}, true
}
