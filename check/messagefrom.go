package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

var messageFrom = rule{About{
	ID:       "message.from",
	Question: "Does one From field name one author?",
	Why: "DMARC asks the domain of From. With two fields or no readable address there is nobody to ask, and Google, Yahoo and Microsoft " +
		"refuse the message; with several addresses each receiver picks its own.",
	Fix:     "Write one From field with one address; further authors belong into Reply-To or into the text.",
	Refs:    []string{"RFC 5322 3.6.2", "RFC 9989 5.3.1"},
	Rows:    []string{"OUT-RFC5322"},
	Affects: []string{"google", "yahoo", "outlook"},
	Who:     finding.ThisServer,
	Scope:   Message,
	Needs:   readable,
	Codes: []Code{
		{"one", finding.Green, "one From field with one address"},
		{"none", finding.Red, "no From field"},
		{"twice", finding.Red, "more than one From field"},
		{"unreadable", finding.Red, "From names no address that can be read"},
		{"several", finding.Yellow, "From names more than one address"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	from, err := m.Header.From()
	f.Evidence = fieldEvidence(m.Header, "From")
	switch {
	case !m.Header.Has("From"):
		f.Code, f.Summary = "none", "the message has no From field"
	case m.Header.Count("From") > 1:
		f.Code, f.Summary = "twice", fmt.Sprintf("the message has %d From fields", m.Header.Count("From"))
	case err != nil || len(from) == 0 || from[0].Address.Domain.IsZero():
		f.Code, f.Summary = "unreadable", "From names no address that can be read"
	case len(from) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("From names %d addresses", len(from))
	default:
		f.Code, f.Summary, f.Evidence = "one", "the message is from "+from[0].Address.String(), nil
	}
	return f
})}

var messageDisplayName = rule{About{
	ID:       "message.display-name",
	Question: "Is the display name a name, and nothing that deceives?",
	Why: "Most programs show the name and hide the address. Names with another address in them, with invisible or turned characters, letters " +
		"of another script or a check mark are how people are deceived; Google refuses them by rule since 2025.",
	Fix:     "Use the plain name of the sender or the company.",
	Refs:    []string{"RFC 5322 3.4", "UTS 39 5"},
	Rows:    []string{"OUT-RFC5322"},
	Affects: []string{"google"},
	Who:     finding.ThisServer,
	Scope:   Message,
	Needs:   []string{"message.form", "message.from"},
	Codes: []Code{
		{"plain", finding.Green, "a name, or none"},
		{"other-address", finding.Red, "the name holds another address than the field"},
		{"address", finding.Yellow, "the name repeats the address"},
		{"invisible", finding.Red, "the name has invisible or direction-changing characters"},
		{"mixed-scripts", finding.Red, "a word of the name mixes letters that look alike"},
		{"badge", finding.Yellow, "the name has signs that pretend a check"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	from, _ := m.Header.From()
	f.Code, f.Summary = "plain", "the display name does not deceive"
	for _, box := range from[:min(len(from), maxShown)] {
		if code, summary := judgeDisplayName(box.Name, box.Address); code != "plain" {
			f.Code, f.Summary = code, summary
			f.Evidence = append(fieldEvidence(m.Header, "From"), fmt.Sprintf("decoded: %.100q", box.Name))
			break
		}
	}
	return f
})}

func judgeDisplayName(name string, address mail.Address) (code, summary string) {
	if r, ok := deceivingRune(name); ok {
		return "invisible", fmt.Sprintf("the display name has the invisible character %U", r)
	}
	if word, ok := mixedWord(name); ok {
		return "mixed-scripts", fmt.Sprintf("the word %+q of the display name mixes letters of several scripts", word)
	}
	for word := range strings.FieldsSeq(name) {
		other, err := mail.ParseAddress(strings.Trim(word, `<>()[]"',;:`))
		switch {
		case err != nil:
		case strings.EqualFold(other.String(), address.String()):
			code, summary = "address", "the display name repeats the address"
		default:
			return "other-address", fmt.Sprintf("the display name says %.100q, the address is %s", other, address)
		}
	}
	if code != "" {
		return code, summary
	}
	if r, ok := badgeRune(name); ok {
		return "badge", fmt.Sprintf("the display name has the sign %U, as if somebody had checked it", r)
	}
	return "plain", ""
}

// senderDomains are the domains of the author and of the reverse-path, each once.
func (s *Subject) senderDomains(ctx context.Context) []mail.Domain {
	var domains []mail.Domain
	for _, d := range []mail.Domain{s.authorDomain(ctx), s.Handover(ctx).ReversePath.Domain} {
		if !d.IsZero() && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	return domains
}

var messageFromDomain = rule{About{
	ID:       "message.from-domain",
	Question: "Do the domains of From and the reverse-path exist and take mail?",
	Why: "Replies and bounces go there. Yahoo asks each for its SOA and refuses names that do not exist (\"unresolvable domain\"); T-Online, GMX " +
		"and many others refuse senders to whom nothing can be sent back.",
	Fix:     "Give the domain an MX record, or send in the name of one that has it.",
	Refs:    []string{"RFC 5321 3.6.2", "RFC 5321 5.1", "RFC 7505 4.2"},
	Rows:    []string{"OUT-FROMDOM", "DNS-15"},
	Affects: []string{"yahoo", "gmx", "t-online", "comcast"},
	Who:     finding.DNSOwner,
	Scope:   Message,
	Needs:   readable,
	Codes: []Code{
		{"takes-mail", finding.Green, "the domain exists and takes mail"},
		{"no-such-domain", finding.Red, "the domain does not exist"},
		{"no-mail", finding.Red, "no mail can be sent to the domain"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, d := range s.senderDomains(ctx) {
		found = append(found, s.judgeSenderDomain(ctx, d))
	}
	return found
}}

func (s *Subject) judgeSenderDomain(ctx context.Context, d mail.Domain) finding.Finding {
	f := finding.Finding{Subject: d.String(), Code: "takes-mail", Summary: d.String() + " exists and takes mail"}
	// A name inside a zone has no SOA of its own, and still exists.
	_, err := s.World.Lookup(ctx, world.NameOf(d), dns.TypeSOA)
	switch {
	case errors.Is(err, world.ErrNoName):
		f.Code, f.Summary, f.Evidence = "no-such-domain", d.String()+" does not exist", []string{evidenceOf(err)}
		f.Fix = fmt.Sprintf("Send in the name of a domain that exists, or create %s with an MX record.", d)
		return f
	case err != nil && !isAbsence(err):
		return unseen(d.String(), err)
	}
	switch err := s.takesMail(ctx, d); {
	case err == nil:
	case isAbsence(err) || errors.Is(err, errNoExchanger) || errors.Is(err, errTakesNone):
		f.Code, f.Summary, f.Evidence = "no-mail", fmt.Sprintf("no mail can be sent to %s: %s", d, err), []string{evidenceOf(err)}
		f.Fix = fmt.Sprintf("Give %s an MX record that leads to a mail server, or send in the name of a domain that has one.", d)
	default:
		return unseen(d.String(), err)
	}
	return f
}

var messageFromExists = rule{About{
	ID:       "message.from-exists",
	Question: "Does the From address take mail?",
	Why: "People answer mail. A From address that refuses them, no-reply in the worst case, is what the practices condemn, and receivers that " +
		"verify senders refuse the message.",
	Fix:       "Create the mailbox, or an alias to somebody who reads it.",
	Refs:      []string{"RFC 5322 3.6.2", "RFC 5321 3.3"},
	Rows:      []string{"OUT-FROMDOM"},
	Practices: []string{"W2"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from", "message.from-domain"},
	Codes: []Code{
		{"accepted", finding.Green, "the MX accepts the address"},
		{"refused", finding.Red, "the MX refuses the address"},
		{"deferred", finding.Unknown, "the MX answers with a temporary error"},
		{"unreached", finding.Unknown, "no MX could be asked"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	author, ok := m.Author()
	if !ok {
		return finding.Finding{}
	}
	f.Subject = author.Address.String()
	f.Code, f.Summary = "unreached", "no MX could be asked about "+f.Subject
	for _, ip := range s.exchangerAddresses(ctx, author.Address.Domain) {
		if proof := s.Proof(ctx, ip); !proof.Granted {
			f.Code, f.Summary = "needs-proof", f.Subject+" was not asked about: "+proof.How
			return f
		}
		asked := s.askRecipient(ctx, ip, author.Address)
		f.Evidence = asked.Evidence()
		switch {
		case !asked.IsAnswered():
			continue
		case asked.Reply.IsPositive():
			f.Code, f.Summary, f.Evidence = "accepted", f.Subject+" is accepted", nil
		case asked.Reply.IsTransient():
			f.Code, f.Summary = "deferred", fmt.Sprintf("%s is deferred: %s", f.Subject, asked.Reply)
		default:
			f.Code, f.Summary = "refused", fmt.Sprintf("%s is refused: %s", f.Subject, asked.Reply)
		}
		return f
	}
	return f
})}

// maxAsked bounds the MX addresses that are tried for one recipient.
const maxAsked = 3

// exchangerAddresses are the first addresses that take mail for a domain.
func (s *Subject) exchangerAddresses(ctx context.Context, d mail.Domain) (found []netip.Addr) {
	for _, x := range s.ExchangersOf(ctx, d).Hosts {
		for _, ip := range slices.Concat(x.V4, x.V6) {
			if s.World.IsPublic(ip) && len(found) < maxAsked {
				found = append(found, ip)
			}
		}
	}
	return found
}

// askRecipient asks one server about one mailbox, from the null sender. Ask only
// where Proof is granted.
func (s *Subject) askRecipient(ctx context.Context, host netip.Addr, to mail.Address) Asked {
	v := &visitor{Visit: Visit{Host: host}, subject: s}
	var asked Asked
	if asked.Err = v.begin(ctx); asked.Err != nil {
		return asked
	}
	defer v.leave(ctx)
	if _, asked.Err = v.client.Mail(ctx, mail.Address{}, smtp.MailOptions{}); asked.Err != nil {
		return asked
	}
	_ = v.put(ctx, &asked, smtp.RcptCommand(to, smtp.RcptOptions{})) // the error is in asked
	return asked
}
