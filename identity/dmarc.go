package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

// Rung is where a domain stands on the ladder from p=none to p=reject (RFC 9989
// section 4.7). Who climbs, and when, is for others to decide.
type Rung struct {
	Policy dmarc.Policy `json:"policy"`
	Since  time.Time    `json:"since"`
	Held   string       `json:"held,omitempty"` // why the next step waits
	Told   dmarc.Policy `json:"told,omitempty"` // the step that the operator was asked for
}

// newRung is where a domain begins that nobody has looked at: nobody else sends for a new
// one yet, and p=quarantine harms less than p=reject when something was forgotten.
var newRung = Rung{Policy: dmarc.Quarantine}

func rungFact(d mail.Domain) string { return "dmarc " + d.String() }

// DMARC is where a domain stands, and whether that was ever decided.
func (i *Identity) DMARC(d mail.Domain) (r Rung, decided bool) {
	text, ok := (*i.facts.Load())[rungFact(d)]
	if !ok || json.Unmarshal([]byte(text), &r) != nil {
		return newRung, false
	}
	return r, true
}

// KeepDMARC has Records show another policy from now on.
func (i *Identity) KeepDMARC(ctx context.Context, d mail.Domain, r Rung) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = i.keepFact(ctx, rungFact(d), string(text))
	}
	if err == nil {
		err = i.loadFacts(ctx)
	}
	if err != nil {
		return fmt.Errorf("keep the DMARC policy of %s: %w", d, err)
	}
	return nil
}

// DMARCRecord is the record of a domain of ours with a policy; its reports come to
// postmaster.
func DMARCRecord(d mail.Domain, p dmarc.Policy) string {
	return fmt.Sprintf("v=DMARC1; p=%s; rua=mailto:%s", p, postmaster(d))
}
