package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits of the SOA timers. RFC 1912 section 2.2 gives ranges; these are the edges
// beyond which harm begins.
const (
	leastRefresh   = 20 * time.Minute   // RFC 1912: 20 minutes to 2 hours, or half a day
	leastExpire    = 7 * 24 * time.Hour // RFC 1912: 2 to 4 weeks; under one, a long weekend ends the zone
	longestDenials = 24 * time.Hour     // RFC 2308 section 5: a day is too much
)

// soaOf is the SOA record of the zone that holds the target.
func (s *Subject) soaOf(ctx context.Context) (*dns.SOA, error) {
	zone, err := s.zoneOf(ctx, world.NameOf(s.Domain()))
	if err != nil {
		return nil, err
	}
	a, err := s.World.Lookup(ctx, zone, dns.TypeSOA)
	if err != nil {
		return nil, err
	}
	soa, ok := a.Records[0].(*dns.SOA)
	if !ok {
		return nil, errors.New("the answer holds no SOA record")
	}
	return soa, nil
}

var dnsSOA = rule{About{
	ID:       "dns.soa",
	Question: "Are the values of the SOA record sound?",
	Why: "The timers decide how long secondary servers go on without the primary, and how long everybody remembers that a name does not exist: " +
		"a new record is not seen before that time is over.",
	Fix:       "Use the usual values: refresh 7200, retry 1800, expire 1209600, minimum 3600; the first name is the primary server.",
	Refs:      []string{"RFC 1912 2.2", "RFC 1035 3.3.13", "RFC 2308 5"},
	Rows:      []string{"DNS-05"},
	Practices: []string{"D8"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"sound", finding.Green, "primary server and timers are sound"},
		{"timers", finding.Yellow, "a timer is outside what is sound"},
		{"no-primary", finding.Yellow, "the primary server has no address"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	soa, err := s.soaOf(ctx)
	if err != nil {
		return one(unseen(s.String(), err))
	}
	zone := soa.Hdr.Name
	f := finding.Finding{Subject: strings.TrimSuffix(zone, "."), Code: "sound", Summary: "the SOA record is sound"}
	if words := timerFault(soa); words != "" {
		f.Code, f.Summary, f.Evidence = "timers", "the SOA record of "+f.Subject+": "+words, []string{soaEvidence(soa)}
		return one(f)
	}
	primary, err := world.ParseName(soa.Ns)
	if err == nil {
		_, err = world.LookupAddresses(ctx, s.World, primary)
	}
	switch {
	case err == nil:
	case isAbsence(err) || primary == "":
		f.Code, f.Summary = "no-primary", fmt.Sprintf("the primary server in the SOA record, %s, has no address", soa.Ns)
		f.Evidence = []string{soaEvidence(soa), evidenceOf(err)}
	default:
		return one(unseen(primary.Text(), err))
	}
	return one(f)
}}

func soaEvidence(soa *dns.SOA) string {
	return fmt.Sprintf("%s SOA: %s %s %d %d %d %d %d", soa.Hdr.Name, soa.Ns, soa.Mbox, soa.Serial, soa.Refresh, soa.Retry, soa.Expire, soa.Minttl)
}

// timerFault says what is wrong with the timers. The form of the serial is nobody's
// business.
func timerFault(soa *dns.SOA) string {
	seconds := func(n uint32) time.Duration { return time.Duration(n) * time.Second }
	switch {
	case seconds(soa.Refresh) < leastRefresh:
		return fmt.Sprintf("refresh is %d s, under %.0f", soa.Refresh, leastRefresh.Seconds())
	case soa.Retry == 0 || soa.Retry > soa.Refresh:
		return fmt.Sprintf("retry is %d s, refresh %d: it should be a part of it", soa.Retry, soa.Refresh)
	case seconds(soa.Expire) < leastExpire:
		return fmt.Sprintf("expire is %d s: secondary servers give the zone up in less than a week", soa.Expire)
	case seconds(soa.Expire) < seconds(soa.Refresh)+seconds(soa.Retry):
		return fmt.Sprintf("expire is %d s, so secondary servers give up before they try again", soa.Expire)
	case seconds(soa.Minttl) > longestDenials:
		return fmt.Sprintf("minimum is %d s: that a name does not exist is remembered for more than a day", soa.Minttl)
	}
	return ""
}

var dnsRName = rule{About{
	ID:       "dns.rname",
	Question: "Is the contact address in the SOA record one that takes mail?",
	Why: "It is the address at which other operators tell you that your DNS is broken or misused. Written with an @, or left at the default of " +
		"a program, it reaches nobody.",
	Fix:       "Write it with a dot in place of the @ (hostmaster.example.com.), and have the mailbox read.",
	Refs:      []string{"RFC 1035 3.3.13", "RFC 1912 2.2", "RFC 2142 7"},
	Rows:      []string{"DNS-05", "ROLE-04"},
	Practices: []string{"D8"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: append([]Code{
		{"malformed", finding.Yellow, "the contact in the SOA record is no mail address"},
	}, contactCodes()...),
}, func(ctx context.Context, s *Subject) []finding.Finding {
	soa, err := s.soaOf(ctx)
	if err != nil {
		return one(unseen(s.String(), err))
	}
	address, err := rnameAddress(soa.Mbox)
	if err != nil {
		return one(finding.Finding{Code: "malformed", Subject: soa.Mbox, Summary: fmt.Sprintf("the contact of %s is no mail address: %s", soa.Hdr.Name, err),
			Evidence: []string{soaEvidence(soa)}})
	}
	f := s.judgeContact(ctx, Contact{address, whereSOA})
	if f.Code == "undeliverable" || f.Code == "refused" {
		f.Evidence = append([]string{soaEvidence(soa)}, f.Evidence...)
	}
	return one(f)
}}

// rnameAddress reads the mail address of an SOA record: the first label is the
// mailbox, with its dots escaped, and the rest the domain (RFC 1035 section 8).
func rnameAddress(rname string) (mail.Address, error) {
	name, err := world.ParseName(rname)
	if err != nil {
		return mail.Address{}, err
	}
	if name.Labels() < 2 {
		return mail.Address{}, fmt.Errorf("%s has no domain", name)
	}
	domain, err := name.Parent().Domain()
	if err != nil {
		return mail.Address{}, err
	}
	label := strings.TrimSuffix(strings.TrimSuffix(name.String(), name.Parent().String()), ".")
	if strings.Contains(label, "@") || strings.Contains(label, `\064`) {
		return mail.Address{}, fmt.Errorf("%s has an @ where a dot belongs", name)
	}
	return mail.ParseAddress(strings.ReplaceAll(label, `\.`, ".") + "@" + domain.String())
}

var dnsSenderSOA = rule{About{
	ID:       "dns.sender-soa",
	Question: "Does the sender domain itself answer when it is asked for?",
	Why: "Yahoo and others ask for the SOA of the exact domain in MAIL FROM and From; a name that does not exist or whose servers fail is refused " +
		"as an invalid sender.",
	Fix:       "Make sure the exact name exists in DNS: an MX, an address or any other record at it is enough.",
	Refs:      []string{"RFC 2308 2.1", "RFC 5321 5.1"},
	Rows:      []string{"DNS-15"},
	Practices: []string{"W2"},
	Affects:   []string{"yahoo", "att"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"answers", finding.Green, "the name exists, and its servers say so"},
		{"no-name", finding.Red, "the name does not exist"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	_, err := s.World.Lookup(ctx, world.NameOf(s.Domain()), dns.TypeSOA)
	f := finding.Finding{Subject: s.String(), Code: "answers", Summary: s.String() + " answers for itself"}
	switch {
	case errors.Is(err, world.ErrNoName):
		f.Code, f.Summary, f.Evidence = "no-name", s.String()+" does not exist, so it cannot send", []string{evidenceOf(err)}
	case err != nil && !isAbsence(err):
		return one(unseen(s.String(), err))
	}
	return one(f)
}}
