package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/world"
)

// Records are the DNS records that a domain wants. With them come those of this server
// (addresses, PTR, TLSA) where its names lie in the domain; the first domain has those
// that lie in none. A PTR record is for the owner of the address to publish.
func (i *Identity) Records(d mail.Domain) []finding.Record {
	r := &records{Identity: i, said: i.said.Load(), domain: d}
	r.mail()
	for _, name := range r.said.hosts() {
		if r.speaksFor(name) {
			r.host(name)
		}
	}
	r.reverse()
	return r.all
}

// records collects.
type records struct {
	*Identity
	said   *said
	domain mail.Domain
	all    []finding.Record
}

func (r *records) add(name, kind, value string) {
	r.all = append(r.all, finding.Record{Name: name, Type: kind, Value: value})
}

func (r *records) text(name, text string) { r.all = append(r.all, finding.TXT(name, text)) }

func dotted(d mail.Domain) string { return d.String() + "." }

// speaksFor reports whether a host's records are shown with this domain's.
func (r *records) speaksFor(host mail.Domain) bool {
	in := func(d mail.Domain) bool { return host.IsWithin(d) }
	if slices.ContainsFunc(r.said.Domains, in) {
		return in(r.domain)
	}
	return len(r.said.Domains) > 0 && r.domain == r.said.Domains[0]
}

// mail is what the domain itself says.
func (r *records) mail() {
	at := dotted(r.domain)
	r.add(at, "MX", "10 "+dotted(r.said.nameOf(SMTP)))
	r.text(at, r.said.spf(nil))
	for _, k := range r.Keys(r.domain) {
		r.key(k)
	}
	rung, _ := r.DMARC(r.domain)
	r.text("_dmarc."+at, DMARCRecord(r.domain, rung.Policy))
	id, _ := r.MTASTS(r.domain)
	r.text("_mta-sts."+at, "v=STSv1; id="+id) // RFC 8461 section 3.1
	r.add(policyHost(r.domain)+".", "CNAME", dotted(r.said.nameOf(HTTPS)))
	for _, host := range programHosts(r.domain) {
		if name, err := mail.ParseDomain(host); err == nil && !slices.Contains(r.said.hosts(), name) {
			r.add(host+".", "CNAME", dotted(r.said.nameOf(HTTPS)))
		}
	}
	r.text("_smtp._tls."+at, "v=TLSRPTv1; rua=mailto:"+postmaster(r.domain)) // RFC 8460 section 3
	submission := dotted(r.said.nameOf(Submission))
	r.add("_submissions._tcp."+at, "SRV", "0 1 465 "+submission) // RFC 8314 section 5.1
	r.add("_submission._tcp."+at, "SRV", "10 1 587 "+submission) // RFC 6186 section 3.1
	imap := dotted(r.said.nameOf(IMAP))
	r.add("_imaps._tcp."+at, "SRV", "0 1 993 "+imap) // RFC 6186 section 3.2
	r.add("_imap._tcp."+at, "SRV", "10 1 143 "+imap) // by STARTTLS, for who cannot do the other
	pop3 := dotted(r.said.nameOf(POP3))
	if r.said.Offers.POP3S {
		r.add("_pop3s._tcp."+at, "SRV", "10 1 995 "+pop3) // RFC 6186 section 3.3; behind IMAP, which programs should prefer
	}
	if r.said.Offers.POP3 {
		r.add("_pop3._tcp."+at, "SRV", "20 1 110 "+pop3)
	}
	if r.said.Offers.Sieve {
		r.add("_sieve._tcp."+at, "SRV", "0 1 4190 "+imap) // RFC 5804 section 1.8
	}
}

func (r *records) key(k Key) {
	name, err := dkim.KeyName(k.Domain, k.Selector)
	if err != nil {
		return // no row of ours has such a selector
	}
	text, err := dkim.KeyRecord(k.Public)
	if err != nil {
		return
	}
	if k.State == Revoked {
		text = text[:strings.Index(text, "p=")+2] // RFC 6376 section 3.6.1
	}
	r.text(name.String(), text)
}

func postmaster(d mail.Domain) string { return "postmaster@" + d.String() }

// spf is the narrowest record: exactly the addresses that mail leaves from, of one
// name or, for nil, of all. Addresses cost no lookups (RFC 7208 section 4.6.4).
func (s *Statement) spf(name *mail.Domain) string {
	terms := []string{"v=spf1"}
	for _, e := range s.Egress {
		if name != nil && e.Name != *name {
			continue
		}
		if e.IP.Is4() {
			terms = append(terms, "ip4:"+e.IP.String())
		} else {
			terms = append(terms, "ip6:"+e.IP.String())
		}
	}
	if len(terms) == 1 && name == nil {
		terms = append(terms, "mx") // until the addresses are known
	}
	return strings.Join(append(terms, "-all"), " ")
}

// host is what a name of this machine says.
func (r *records) host(name mail.Domain) {
	at := dotted(name)
	for _, ip := range r.said.addressesOf(name) {
		r.add(at, addressType(ip), ip.String())
	}
	if !r.said.serves(name) && slices.ContainsFunc(r.said.Egress, func(e Egress) bool { return e.Name == name }) {
		r.text(at, r.said.spf(&name)) // for the HELO name and the null reverse-path (RFC 7208 section 2.3)
	}
	if slices.Contains(r.said.certificateNames(), name) {
		for _, issuer := range r.issuers() {
			r.add(at, "CAA", "0 issue "+finding.CharacterString(issuer)) // RFC 8659 section 4.2
		}
	}
	if name == r.said.nameOf(SMTP) && r.isSigned(name) {
		if value := r.tlsa(name); value != "" {
			r.add("_25._tcp."+at, "TLSA", value)
		}
	}
}

func addressType(ip netip.Addr) string {
	if ip.Is4() {
		return "A"
	}
	return "AAAA"
}

// tlsa pins the key of a name: DANE-EE, SPKI, SHA-256 (RFC 7672 section 3.1.1). The
// key outlives its certificates, and so the record does.
func (i *Identity) tlsa(name mail.Domain) string {
	cert := i.table.Load().by[name.String()]
	if cert == nil {
		return ""
	}
	sum := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	return "3 1 1 " + hex.EncodeToString(sum[:])
}

// reverse is what the owners of the addresses are to publish.
func (r *records) reverse() {
	for _, e := range r.said.Egress {
		if r.speaksFor(e.Name) {
			r.add(world.ReverseName(e.IP).String(), "PTR", dotted(e.Name))
		}
	}
}

// policyAge is how long senders keep the MTA-STS policy: less than a week earns a
// warning, and more outlives a mistake (RFC 8461 section 3.2).
const policyAge = 604800

// MTASTS is the policy of a domain, for https://mta-sts.DOMAIN/.well-known/mta-sts.txt,
// and the id that its record shows. It is enforced where the MX host has a
// certificate that senders believe, else in testing: enforced, it would keep mail out.
// A domain that is not ours has none, and both are empty.
func (i *Identity) MTASTS(d mail.Domain) (id, policy string) {
	if !i.said.Load().serves(d) {
		return "", ""
	}
	mode := "enforce"
	for _, h := range i.table.Load().health {
		if slices.Contains(h.Services, SMTP) && h.Source == FromSelf {
			mode = "testing"
		}
	}
	policy = fmt.Sprintf("version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n", mode, i.said.Load().nameOf(SMTP), policyAge)
	sum := sha256.Sum256([]byte(policy))
	return hex.EncodeToString(sum[:8]), policy
}
