package setup

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// Life is what a domain has today, as its zone shows it: whether somebody else has its
// mail, and whether somebody sends for it already.
type Life struct {
	Domain    mail.Domain
	MX        zone.Set // without values: there are none
	SPF       string   // "" there is none
	DMARC     string
	Elsewhere bool         // its mail goes to other servers than ours
	Sends     bool         // as far as a zone can tell: it had MX, SPF or DMARC of somebody before us
	Inherits  dmarc.Policy // what a domain above it says of its mail, while it says nothing itself
	Settles   bool         // its mail has moved here, and may still go back
}

// LifeOf reads the life of a domain out of the sets that are present. wanted are our
// records of it: what is ours already tells nothing.
func LifeOf(d mail.Domain, wanted []finding.Record, present []zone.Set) Life {
	l, several := Life{Domain: d}, false // none of several counts, but somebody sends
	for _, s := range present {
		switch {
		case s.Name == world.NameOf(d) && s.Type == "MX":
			l.MX = s
		case s.Type == "TXT" && s.Name == world.NameOf(d):
			l.SPF = textWith(s, "v=spf1")
			several = len(textsWith(s, "v=spf1")) > 1
		case s.Type == "TXT" && s.Name == policyName(d):
			l.DMARC = textWith(s, "v=dmarc1")
		}
	}
	l.Elsewhere = slices.ContainsFunc(exchangers(l.MX.Values), func(host string) bool { return !slices.Contains(ourExchangers(d, wanted), host) })
	l.Sends = l.Elsewhere || several || l.DMARC != "" || hasOtherSenders(l.SPF, ourText(d, wanted, "v=spf1"))
	return l
}

// LookAtLife asks the domain's own name servers.
func LookAtLife(ctx context.Context, w *world.World, d mail.Domain, wanted []finding.Record) (Life, error) {
	at, err := zone.Apex(ctx, w, world.NameOf(d))
	if err != nil {
		return Life{Domain: d}, err
	}
	present, err := zone.Look(ctx, w, at, []world.Name{world.NameOf(d), policyName(d)})
	return LifeOf(d, wanted, present), err
}

// inherited is the policy that a domain without a record of its own has from above (RFC
// 9989 section 4.10). What is said of names that do not exist counts for none of ours.
func inherited(ctx context.Context, w *world.World, d mail.Domain) dmarc.Policy {
	found := dmarc.Discover(ctx, w, d)
	if found.Step == nil || found.Step.Domain == d || found.Source != dmarc.FromP && found.Source != dmarc.FromSP {
		return ""
	}
	return found.Policy
}

// Gentle is what to publish of our records for a domain that lives: one that sends
// already, and has no DMARC record, begins at p=none, because nobody knows yet who all
// sends for it (RFC 9989 section 5.1). All else is as it was; what is there already is
// for zone.NewPlan to keep.
func (l Life) Gentle(wanted []finding.Record) []finding.Record {
	begin := l.Inherits // what counts today is not made weaker
	switch {
	case l.DMARC != "", !l.Sends && begin != dmarc.Reject:
		return wanted
	case begin == "":
		begin = dmarc.None
	}
	wanted = slices.Clone(wanted)
	for i, r := range wanted {
		if r.Name == policyName(l.Domain).String() && r.Type == "TXT" {
			wanted[i] = finding.TXT(r.Name, identity.DMARCRecord(l.Domain, begin))
		}
	}
	return wanted
}

// inTurn parts what may be published now from what has to wait for the mail. An MTA-STS
// policy that names our server alone has senders keep mail from the server that has it
// today, and for a week after a way back (RFC 8461 section 5); what mail programs look up
// leads them away from the mailboxes. What is there already is not for this to judge.
func (l Life) inTurn(wanted []finding.Record, present []zone.Set) (now, later []finding.Record) {
	for _, r := range wanted {
		there := setOf(present, world.Name(r.Name), r.Type)
		value, err := zone.Canonical(r.Type, r.Value)
		same := err == nil && slices.Contains(there.Values, value)
		if l.waits(r) && !same && (len(there.Values) == 0 || r.Type == "TXT") {
			later = append(later, r)
		} else {
			now = append(now, r)
		}
	}
	return now, later
}

// waits reports whether a record of ours does harm while the mail is elsewhere, or may be
// again.
func (l Life) waits(r finding.Record) bool {
	is := func(label string) bool { return r.Name == label+l.Domain.String()+"." }
	switch {
	case is("_mta-sts."), is("mta-sts."):
		return l.Elsewhere || l.Settles
	case is("autoconfig."), is("autodiscover."), r.Type == "SRV":
		return l.Elsewhere
	}
	return false
}

func policyName(d mail.Domain) world.Name { return world.Name("_dmarc." + d.String() + ".") }

// textWith is the one text of a set that begins with a version; several are none (RFC
// 7208 section 4.5, RFC 9989 section 4.10).
func textWith(s zone.Set, version string) string {
	if found := textsWith(s, version); len(found) == 1 {
		return found[0]
	}
	return ""
}

func textsWith(s zone.Set, version string) (found []string) {
	for _, v := range s.Values {
		if text, err := (finding.Record{Value: v}).Text(); err == nil && strings.HasPrefix(strings.ToLower(text), version) {
			found = append(found, text)
		}
	}
	return found
}

func ourText(d mail.Domain, wanted []finding.Record, version string) string {
	for _, r := range wanted {
		if r.Type != "TXT" || r.Name != world.NameOf(d).String() {
			continue
		}
		if text, err := r.Text(); err == nil && strings.HasPrefix(text, version) {
			return text
		}
	}
	return ""
}

// exchangers are the hosts of MX values, but for that of a domain that takes no mail (RFC
// 7505).
func exchangers(values []string) (hosts []string) {
	for _, v := range values {
		if _, host, ok := strings.Cut(v, " "); ok && host != "." {
			hosts = append(hosts, dns.CanonicalName(host))
		}
	}
	return hosts
}

func ourExchangers(d mail.Domain, wanted []finding.Record) []string {
	var values []string
	for _, r := range wanted {
		if r.Type == "MX" && r.Name == world.NameOf(d).String() {
			values = append(values, r.Value)
		}
	}
	return exchangers(values)
}

// hasOtherSenders reports whether an SPF record passes anybody whom ours does not name.
func hasOtherSenders(have, ours string) bool {
	known := strings.Fields(strings.ToLower(ours))
	for _, term := range strings.Fields(strings.ToLower(have)) {
		if !slices.Contains(known, term) && strings.TrimLeft(term, "+-~?") != "all" && term != "v=spf1" {
			return true
		}
	}
	return false
}
