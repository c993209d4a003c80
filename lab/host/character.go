package host

import (
	"time"

	"github.com/allgreen-mail/allgreen/lab/ca"
)

// Character is what a mail server does differently from a well-run one. The zero
// value is well run.
type Character struct {
	// The greeting.
	Greeting      string        // sent instead of "220 NAME ESMTP", raw but for its last CRLF; {name} is the name
	GreetingDelay time.Duration // before anything is sent
	SaysName      string        // instead of its own name, in greeting and EHLO
	Drip          time.Duration // between any two octets sent
	Endless       Endless       // what never stops after the greeting began

	// What EHLO offers, as lines.
	Without []string // keywords not offered
	With    []string // further lines, as "AUTH PLAIN LOGIN"

	Replies map[string]string // by verb: sent in place of what it would answer, raw lines joined by \n

	TLS TLS

	// Whom it takes mail from and for.
	Domains       []string // besides the domain one label above its name
	Mailboxes     []string // besides those of every host
	NoMailboxes   []string // of those of every host: missing
	RefusesNull   bool     // MAIL FROM:<> is refused
	Greylists     bool     // the first try of each client, sender and recipient gets 451
	UnknownUsers  Unknown  // what happens to mail for nobody
	Relay         Relay    // whose mail it passes on though it is not for it
	AuthInClear   bool     // AUTH offered and taken on port 25 without TLS
	SubmitsFreely bool     // 587 and 465 relay without AUTH
	NoSubmission  bool     // nothing listens on 587 and 465

	// Data.
	BareLF BareLF
	Data   Data

	// What it does to senders.
	Calls  bool          // asks the sender's MX whether the sender exists, before it answers RCPT
	Writes Correspondent // what it writes back to senders
}

// Endless is output that never ends.
type Endless string

// The ways not to end.
const (
	Ends      Endless = ""
	OneLine   Endless = "line"  // a line without end
	ManyLines Endless = "lines" // a reply of lines without end
)

// Unknown is what happens to mail for a mailbox that does not exist.
type Unknown string

// The fates of such mail.
const (
	Refused  Unknown = ""         // 550 5.1.1 at RCPT
	Accepted Unknown = "accepted" // taken and thrown away
	Bounced  Unknown = "bounced"  // taken, then a DSN goes to whoever is said to have sent it
	Deferred Unknown = "deferred" // 450 for ever
)

// TLS is what is wrong with a server's STARTTLS on port 25; the submission ports
// share only the certificate. The zero value: offered, TLS 1.2
// and 1.3, AEAD suites, a good certificate.
type TLS struct {
	Missing     bool // not offered, and unknown when asked for
	Refused     bool // offered, then 454
	Garbage     bool // 220, then octets that are no TLS, and the end
	HangsUp     bool // 220, then the connection is closed
	Injectable  bool // what was sent in clear behind STARTTLS is obeyed inside TLS
	Certificate ca.Quality
	Min, Max    uint16 // crypto/tls versions; 0: TLS 1.2, TLS 1.3
	Suites      []uint16
}

// Relay is whose mail for other people's domains a server passes on. The first
// group goes by the sender, the second by the way the recipient is written, the third
// by what happened before. The zero value relays for nobody.
type Relay struct {
	All bool

	NullSender      bool // MAIL FROM:<>
	LocalSender     bool // a sender of its own domain
	HostSender      bool // a sender at its own name
	LiteralSender   bool // a sender at its own [address]
	LocalhostSender bool // a sender at localhost
	BareSender      bool // a sender without a domain
	Postmaster      bool // postmaster at its own domain

	Percent     bool // victim%external@here
	Bang        bool // external!victim
	Quoted      bool // "victim@external"@here
	SourceRoute bool // @here:victim@external
	DoubleAt    bool // victim@external@here
	TrailingDot bool // victim@external.
	SubDomain   bool // anything below its own domain

	AfterLocal bool // once a recipient of its own was taken
	OverTLS    bool // for whoever speaks TLS
	LocalHelo  bool // for whoever says to be of its own domain

	// Drops takes the mail and lets none of it out: it looks open and is not.
	Drops bool
}

// BareLF is what happens to line feeds without a carriage return in data.
type BareLF string

// The ways to treat them.
const (
	BareLFRefused  BareLF = ""     // 550 when the data ends
	BareLFKept     BareLF = "kept" // taken as content; the data ends with CRLF.CRLF only
	BareLFEndsData BareLF = "ends" // LF.LF and LF.CRLF end the data too: smuggling works
)

// Data is what happens at DATA.
type Data string

// The ways data can go.
const (
	Taken        Data = ""
	HangsUpIn    Data = "hangs-up-in"    // the connection is closed in the middle of it
	HangsUpAfter Data = "hangs-up-after" // and here after the dot, without an answer
	Refuses      Data = "refuses"        // 554 after the dot
)

// Correspondent is what a server writes to the senders of mail it took.
type Correspondent string

// What it may write.
const (
	WritesNothing    Correspondent = ""
	WritesChallenges Correspondent = "challenge" // "prove that you are human"
	WritesVacations  Correspondent = "vacation"  // to everybody, with its own address as envelope sender
)

// everyMailbox is what each host knows: the role mailboxes of RFC 2142 and RFC
// 5321 section 4.5.1, those that reports go to, and two people.
func everyMailbox() []string {
	return []string{
		"postmaster", "abuse", "security", "admin", "hostmaster", "webmaster", "noc", "info",
		"dmarc-reports", "tls-reports", "unsubscribe", "alice", "bob",
	}
}
