package policy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/smtp"
)

// Session is what is known so far of one connection and its transaction. Who owns
// the connection fills it in as the client speaks; stages read it, and add evidence.
type Session struct {
	Peer smtp.Peer  // kept up to date: HELO, TLS
	IP   netip.Addr // of the client, unmapped
	Now  time.Time  // of the question

	Front bool // a server of ours hands it on by LMTP, and has judged the client

	ReversePath mail.Address // the zero value is the null reverse-path
	Size        int64        // as MAIL declared it; 0: it did not

	Recipient  Recipient   // the one that is asked about
	Recipients []Recipient // accepted so far in this transaction

	Header  message.Header   // at DATA: as it came
	Octets  int64            // at DATA: of the whole message
	Results mailauth.Results // at DATA

	Evidence []Evidence // in the order it was found

	client   *client         // facts of the address, asked in the background
	counted  bool            // the connection counts in the rates
	early    uint64          // a bit for each stage of Mail that has been asked
	verdicts map[int]Verdict // of those that did not continue
}

// Recipient is one recipient and what became known of it.
type Recipient struct {
	To          mail.Address
	Home        mail.Address        // To; of the host's own addresses, that of the first domain. Set by the stage recipient
	Destination account.Destination // set by the stage recipient
	Exempt      bool                // postmaster and abuse: no judgement on content or sender
	Test        bool                // a test address: whatever comes is taken and judged, for nobody
	Alone       bool                // its answer at DATA could differ from those of others
}

// Mail begins a transaction.
func (s *Session) Mail(from mail.Address, size int64) {
	s.Reset()
	s.ReversePath, s.Size = from, size
}

// Reset forgets the transaction and keeps the connection.
func (s *Session) Reset() {
	*s = Session{Peer: s.Peer, Front: s.Front, IP: s.IP, Now: s.Now, client: s.client, counted: s.counted,
		Recipients: s.Recipients[:0], Evidence: s.Evidence[:0]}
}

// IsExempt reports whether the message goes to role addresses, which get mail
// whatever it looks like. But for a front that speaks LMTP, all recipients of one
// transaction are alike in this.
func (s *Session) IsExempt() bool {
	return slices.ContainsFunc(s.Recipients, func(r Recipient) bool { return r.Exempt })
}

// add notes evidence.
func (s *Session) add(code, detail string) {
	s.Evidence = append(s.Evidence, Evidence{code, detail})
}

// has reports whether a piece of evidence was found.
func (s *Session) has(code string) bool {
	for _, e := range s.Evidence {
		if e.Code == code {
			return true
		}
	}
	return false
}
