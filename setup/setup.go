package setup

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// Setup is one domain on its way.
type Setup struct {
	Options
	State    *State        // what was done; never nil
	Provider zone.Provider // publishes; nil: a person does. Known from the stage of the records on

	Made string // the password that was made for the first account, shown once

	machine machineFacts
}

// Options are what a Setup is made from.
type Options struct {
	Domain  mail.Domain
	World   *world.World
	House   House
	Desk    Desk
	Data    string // the data folder; the state file lies in it
	Answers Answers
	Edge    identity.EdgeSources         // whom to ask at which address they see this machine
	Clocks  []string                     // URLs whose servers tell the time
	Audit   check.Options                // how the domain is checked
	Wait    time.Duration                // for records to be seen, and for a message; zero: 10 minutes
	Rounds  int                          // of checks, where nobody says when to look again; zero: 3
	Fresh   func() (*world.World, error) // the same world without a memory of what was not there; nil: World
}

// Answers are what a person said with flags; what is zero is asked for.
type Answers struct {
	Hostname  mail.Domain
	Admin     mail.Address
	Addresses []netip.Addr
	Password  string // of the first account; "": asked for, or made
	TestTo    string // an outside address for the first message; "": asked for, "-": none
	Move      bool   // mail that goes to another server is to come here
	ByHand    bool   // a person publishes, also where somebody could
	Lines     string // further lines of a new configuration: TOML
	Secret    string // of [dns], kept in a file of its own
}

// Settings are what a configuration says, as far as setup wants to know it.
type Settings struct {
	Hostname  mail.Domain
	Domains   []mail.Domain
	Admin     mail.Address
	Addresses []netip.Addr
	Data      string
	Ports     []uint16       // that the server listens on
	Smarthost mail.Domain    // zero: mail leaves for the servers of strangers
	Publisher string         // the name of the provider; "": none
	ACME      bool           // certificates come from an authority
	Submit    netip.AddrPort // where mail programs hand in, STARTTLS; not valid: nowhere
}

// SecretName is the file beside the configuration that holds the secret of [dns].
const SecretName = "dns-secret"

// ErrNoConfiguration is the error of House.Settings where there is none.
var ErrNoConfiguration = errors.New("there is no configuration yet")

// House is the server and its configuration, as the program around setup offers them.
type House interface {
	// Path is where the configuration lies, or is to lie.
	Path() string
	// Settings reads the configuration.
	Settings() (Settings, error)
	// Configure writes the first configuration, and its secret beside it where there is
	// one. It never writes over a file.
	Configure(text, secret string) error
	// AddDomain writes one domain more into the configuration, and has the running server
	// read it.
	AddDomain(ctx context.Context, domain mail.Domain) error
	// IsServing reports whether a server answers.
	IsServing(ctx context.Context) bool
	// Serve has a server answer: the one that runs, or else one in this process.
	Serve(ctx context.Context) error
	// Publisher publishes through the provider of the configuration; nil where there is none.
	Publisher() (*Publisher, error)
	// Records are those that a domain wants.
	Records(ctx context.Context, domain mail.Domain) ([]finding.Record, error)
	// HasAccount reports whether an address has a mailbox.
	HasAccount(ctx context.Context, address mail.Address) (bool, error)
	// AddAccount makes one.
	AddAccount(ctx context.Context, address mail.Address, password string) error
	// NewPassword makes a good one.
	NewPassword() string
	// AccountAt is the first account of a domain; the zero address where there is none.
	AccountAt(ctx context.Context, domain mail.Domain) (mail.Address, error)
	// Login gives a password for a while; done takes it back.
	Login(ctx context.Context, address mail.Address) (password string, done func() error, err error)
	// Arrived gives a message of a mailbox by its Message-ID; nil where it is not there.
	Arrived(ctx context.Context, address mail.Address, id string) ([]byte, error)
	// Fate tells what became of a message on its way to an address.
	Fate(ctx context.Context, to mail.Address, since time.Time) (Fate, error)
}

// Fate is what became of a message: the zero value is still on its way.
type Fate struct {
	Kind string // "delivered", "deferred", "bounced"; "": nothing yet
	Text string // what the other side said
}

// ErrNobody is wrapped by errors of a Desk where nobody can be asked.
var ErrNobody = errors.New("nobody can be asked")

// Desk is the person that setup speaks with, or the script.
type Desk interface {
	// Begin announces a stage: number n of all.
	Begin(n, all int, title string)
	// Tell shows what a stage saw.
	Tell(Note)
	// Say prints one or more lines as they are.
	Say(text string)
	// Ask asks and gives the answer; an empty one takes what is usual. The error wraps
	// ErrNobody where nobody can be asked; then usual is given, which may be empty.
	Ask(question, usual string) (string, error)
	// Password asks twice for a new password; "" has one made.
	Password(question string) (string, error)
	// Secret asks for a secret that exists.
	Secret(question string) (string, error)
	// Confirm asks for a yes. Scripts say it beforehand.
	Confirm(question string) (bool, error)
	// Wait shows, on one line that rewrites itself, what is being waited for; "" ends it.
	Wait(text string)
}
