package setup

import (
	"context"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// Setup is one domain on its way.
type Setup struct {
	Options
	State *State // what was done; never nil
}

// Options are what a Setup is made from.
type Options struct {
	Domain   mail.Domain
	World    *world.World
	House    House
	Desk     Desk
	Data     string        // the data folder; the state file lies in it
	Provider zone.Provider // publishes; nil: a person does
	Answers  Answers       // what was said beforehand
}

// Answers are what a person said with flags; the zero values are asked for.
type Answers struct {
	Hostname mail.Domain
	Admin    mail.Address
}

// House is the server and its configuration, as the program around setup offers them.
type House interface {
	// Records are those that a domain wants.
	Records(ctx context.Context, domain mail.Domain) ([]finding.Record, error)
	// Send hands in a message as a local user does, and gives its trace.
	Send(ctx context.Context, from, to mail.Address, message []byte) (trace string, err error)
}

// Desk is the person that setup speaks with, or the script.
type Desk interface {
	// Say prints one or more lines.
	Say(format string, args ...any)
	// Ask asks and gives the answer; "" takes what usual is. The error wraps ErrNobody
	// where nobody can be asked.
	Ask(question, usual string) (string, error)
	// Confirm asks for a yes. Scripts say it beforehand.
	Confirm(question string) (bool, error)
	// Wait shows, on one line that rewrites itself, what is being waited for; "" ends it.
	Wait(text string)
}
