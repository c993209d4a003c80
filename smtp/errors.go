package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/allgreen-mail/allgreen/mail"
)

// What can end a dialogue. Each is the Kind of a DialogueError.
var (
	ErrTimeout   = errors.New("the server did not answer in time")
	ErrClosed    = errors.New("the connection was lost")
	ErrProtocol  = errors.New("the server does not speak SMTP")
	ErrLimit     = fmt.Errorf("%w: its reply is too long", ErrProtocol)
	ErrInjection = errors.New("the server sent plaintext after its answer to STARTTLS")
	ErrTLS       = errors.New("the TLS handshake failed")
)

// What is refused before anything is sent, because it would break the dialogue on
// our side of it.
var (
	ErrCommand = errors.New("the command cannot be sent")
	ErrBody    = errors.New("the message has a bare CR or LF")
)

// DialogueError tells how a dialogue ended without an answer.
type DialogueError struct {
	During string // the command, without its parameters: "EHLO", "the greeting"
	Kind   error  // one of the above, ErrBody, or context.Canceled
	Cause  error  // what the connection or the parser said; may be nil
	Read   string // what had come of the reply, shortened, control characters escaped
}

// Error says when it happened, what, and what had come until then.
func (e *DialogueError) Error() string {
	s := e.During + ": " + e.Kind.Error()
	if e.Cause != nil && !errors.Is(e.Kind, ErrTimeout) {
		s += ": " + e.Cause.Error()
	}
	if e.Read != "" {
		s += fmt.Sprintf(" (read so far: %s)", e.Read)
	}
	return s
}

// Unwrap gives the kind and the cause.
func (e *DialogueError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// failure turns whatever stopped a command into a DialogueError.
func failure(ctx context.Context, during string, err error) *DialogueError {
	var already *DialogueError
	if errors.As(err, &already) {
		return already
	}
	e := &DialogueError{During: during, Cause: err}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		e.Kind = ErrTimeout
		if errors.Is(ctx.Err(), context.Canceled) {
			e.Kind = context.Canceled
		}
	case errors.Is(err, context.Canceled):
		e.Kind = context.Canceled
	case errors.Is(err, ErrLimit):
		e.Kind, e.Cause = ErrLimit, nil
	case errors.Is(err, mail.ErrReply):
		e.Kind = ErrProtocol
	case err == io.EOF: // a clean end; the words of any other say more
		e.Kind, e.Cause = ErrClosed, nil
	default:
		e.Kind = ErrClosed
	}
	return e
}
