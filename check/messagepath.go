package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// noClient is the finding where the client would have to be known.
func noClient(s *Subject, what string) finding.Finding {
	return finding.Finding{Code: "no-client", Subject: s.String(),
		Summary: what + " cannot be judged: nothing tells which client handed the message over",
		Fix:     "Name the client with --ip, and with --helo and --from what it said; or check the message as it arrived, with its Received fields."}
}

var noClientCode = Code{"no-client", finding.Unknown, "the client that handed the message over is not known"}

// identity is one name in the chain of those who stand behind a message.
type identity struct {
	what string // "From", "DKIM"
	name mail.Domain
	note string // what was proven of it
}

// identities are all names that the message shows to a receiver, in the order of
// what a person sees first.
func (s *Subject) identities(ctx context.Context) []identity {
	h, r := s.Handover(ctx), s.Authentication(ctx)
	chain := []identity{{what: "From", name: s.authorDomain(ctx)}}
	if h.PathSource != "" {
		name := h.ReversePath.Domain
		note := "SPF " + string(r.SPF.Result)
		if h.ReversePath.IsZero() {
			note = "null reverse-path"
		}
		chain = append(chain, identity{"envelope", name, note})
	}
	for _, v := range r.DKIM[:min(len(r.DKIM), maxShown)] {
		chain = append(chain, identity{"DKIM", v.Domain, v.Result.String()})
	}
	if h.HELO != "" {
		d, _ := mail.ParseDomain(h.HELO)
		chain = append(chain, identity{"HELO", d, "said by the client"})
	}
	for _, name := range s.reverseNames(ctx, h.IP) {
		d, _ := name.Domain()
		note := "does not lead back"
		if slices.Contains(s.confirmedNames(ctx, h.IP), d) {
			note = "leads back"
		}
		chain = append(chain, identity{"PTR", d, note})
	}
	return chain
}

// table is the chain side by side.
func table(chain []identity) []string {
	var lines []string
	for _, i := range chain {
		name := i.name.String()
		if i.name.IsZero() {
			name = "-"
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-9s %-28s %s", i.what+":", name, i.note), " "))
	}
	return lines
}

var messageChain = rule{About{
	ID:       "message.chain",
	Question: "Do From, envelope, signature, HELO and PTR stand under one domain?",
	Why: "Reputation gathers on domains. One name in all five places shows at a glance whose mail it is; each further one has to be trusted by " +
		"itself, and who sees an unknown one between them distrusts all.",
	Fix: "Use an envelope address and a signature under the domain of From (bounce.example.com, d=example.com), and name the server in PTR " +
		"and EHLO under the same domain where it is your own.",
	Refs:      []string{"RFC 9989 4.4", "RFC 8601 3"},
	Rows:      []string{"DMARC-15", "RDNS-05"},
	Practices: []string{"D10"},
	Affects:   []string{"t-online", "yahoo", "google"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from"},
	Codes: []Code{
		{"one-domain", finding.Green, "all names stand under one domain"},
		{"hosted", finding.Skip, "the mail is the domain's, the server another's: as with every hosting provider"},
		{"scattered", finding.Yellow, "the envelope or every signature belongs to another domain"},
		{"partly-seen", finding.Unknown, "the client is not known, so a part of the chain is missing"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, _ *Sample, f finding.Finding) finding.Finding {
	chain := s.identities(ctx)
	f.Evidence = table(chain)
	own := chain[0].name.Registrable()
	if own.IsZero() {
		return finding.Finding{} // message.from has said it
	}
	others := func(what ...string) (all, foreign int) {
		for _, i := range chain {
			if slices.Contains(what, i.what) && !i.name.IsZero() {
				all++
				if i.name.Registrable() != own {
					foreign++
				}
			}
		}
		return all, foreign
	}
	_, envelope := others("envelope")
	signatures, signed := others("DKIM")
	_, server := others("HELO", "PTR")
	switch {
	case envelope > 0:
		f.Code, f.Summary = "scattered", fmt.Sprintf("the envelope does not belong to %s, the domain of From", own)
		f.Fix = fmt.Sprintf("Use an envelope address under %s, such as bounces@bounce.%s.", own, own)
	case signatures > 0 && signed == signatures:
		f.Code, f.Summary = "scattered", fmt.Sprintf("no signature belongs to %s, the domain of From", own)
		f.Fix = fmt.Sprintf("Sign with d=%s.", own)
	case s.Handover(ctx).IPSource == "":
		f.Code, f.Summary, f.Fix = "partly-seen", "everything seen stands under "+own.String()+"; the client is not known", noClient(s, "").Fix
	case server > 0:
		f.Code, f.Summary = "hosted", fmt.Sprintf("the mail is that of %s, the server is another's", own)
	default:
		f.Code, f.Summary = "one-domain", fmt.Sprintf("From, envelope, signature, HELO and PTR stand under %s", own)
	}
	return f
})}

var messagePath = rule{About{
	ID:       "message.path",
	Question: "Did the message leave through a server of its domain?",
	Why: "A printer, a web application or a forgotten host that sends by itself has no SPF, no signature and no good name. Route all mail " +
		"through the server; what leaves elsewhere is the first thing to be refused.",
	Fix:       "Have the program submit its mail to the server of the domain (port 587 or 465 with a login), or authorise the address in SPF if it is meant to send.",
	Refs:      []string{"RFC 7208 2.4", "RFC 6409 3"},
	Rows:      []string{"SPF-13"},
	Practices: []string{"R3"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from"},
	Codes: []Code{
		{"authorised", finding.Green, "SPF of the From domain knows the client"},
		{"mx", finding.Green, "the client is an MX host of the From domain"},
		{"unexpected", finding.Yellow, "neither SPF nor MX of the From domain knows the client"},
		noClientCode,
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	h := s.Handover(ctx)
	author, ok := m.Author()
	switch {
	case !ok:
		return finding.Finding{}
	case h.IPSource == "":
		return noClient(s, "the way out")
	}
	f.Subject = h.IP.String()
	d := author.Address.Domain
	x := s.ExchangersOf(ctx, d)
	for _, host := range x.Hosts {
		if slices.Contains(slices.Concat(host.V4, host.V6), h.IP) {
			f.Code, f.Summary = "mx", fmt.Sprintf("the message left through %s, an MX host of %s", host.Host, d)
			return f
		}
	}
	e := spf.Evaluate(ctx, s.World, spf.Request{IP: h.IP, Sender: author.Address, HELO: h.HELO, Now: s.World.Now()})
	switch {
	case e.Result == spf.Pass:
		f.Code, f.Summary = "authorised", fmt.Sprintf("the message left through %s, which SPF of %s names", h.IP, d)
	case e.Result == spf.TempError:
		return unanswered(f.Subject, "SPF of "+d.String(), e.Reason)
	case x.Err != nil && !isAbsence(x.Err):
		return unseen(f.Subject, x.Err)
	default:
		f.Code, f.Summary = "unexpected", fmt.Sprintf("the message left through %s, which neither SPF nor MX of %s names", h.IP, d)
		f.Evidence = append(hopEvidence(h.Hops), "the client's address is taken "+h.Trust())
	}
	return f
})}

// unanswered is unseen for results that carry words instead of an error.
func unanswered(subject, what, why string) finding.Finding {
	return finding.Finding{Code: "no-answer", Subject: subject, Summary: fmt.Sprintf("%s could not be evaluated: %s", what, why),
		Fix: "Run the check again later; if it stays, look at the name servers or the connection from here."}
}

// hopEvidence is the way of the message, the last hop first.
func hopEvidence(hops []Received) []string {
	var lines []string
	for _, r := range hops[:min(len(hops), maxShown)] {
		ip := "-"
		if r.IP.IsValid() {
			ip = r.IP.String()
		}
		lines = append(lines, fmt.Sprintf("from %.60q (%s) by %.60q with %.20s", r.HELO, ip, r.By, r.With))
	}
	return lines
}

var messageTLS = rule{About{
	ID:       "message.tls",
	Question: "Did the message cross the Internet encrypted?",
	Why: "Google marks mail without TLS with an open lock and asks it of all senders since 2024; German law and many companies ask for it. " +
		"TLS 1.0 and 1.1 count as none.",
	Fix:       "Let the sending server use STARTTLS whenever it is offered, with TLS 1.2 or later (smtp_tls_security_level = may in Postfix, or dane).",
	Refs:      []string{"RFC 3207", "RFC 8996", "RFC 3848"},
	Rows:      []string{"OUT-TLS"},
	Practices: []string{"A8"},
	Affects:   []string{"google"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"encrypted", finding.Green, "TLS, as the receiver's trace field says"},
		{"old", finding.Red, "TLS 1.0 or 1.1"},
		{"clear", finding.Red, "without TLS"},
		{"no-trace", finding.Unknown, "no trace field tells"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	h := s.Handover(ctx)
	if h.Received == nil || h.Received.With == "" && !h.Received.IsEncrypted() {
		f.Code, f.Summary = "no-trace", "no Received field tells whether the message came over TLS"
		f.Fix = "Check the message as it arrived at a receiver, with its Received fields."
		return f
	}
	f.Evidence = []string{fmt.Sprintf("Received: %.400q", m.Header.Fields[h.Border].Value())}
	switch r := h.Received; {
	case !r.IsEncrypted():
		f.Code, f.Summary = "clear", fmt.Sprintf("%s took the message without TLS, with %.20s", r.By, r.With)
	case r.TLS == "1.0" || r.TLS == "1.1":
		f.Code, f.Summary = "old", fmt.Sprintf("%s took the message over TLS %s", r.By, r.TLS)
	default:
		f.Code, f.Summary, f.Evidence = "encrypted", strings.TrimRight(fmt.Sprintf("%s took the message over TLS %s", r.By, r.TLS), " "), nil
	}
	return f
})}

var messageARC = rule{About{
	ID:       "message.arc",
	Question: "Is there a chain of custody of forwarders, and does it hold?",
	Why: "Forwarders and lists seal with ARC what they found before they changed the message. Some receivers believe chosen ones; the method " +
		"is about to become historic, so nothing depends on it here.",
	Fix:   "Nothing has to be done by the sender. A forwarder whose seals fail should seal after its last change.",
	Refs:  []string{"RFC 8617 5.2"},
	Who:   finding.OtherSide,
	Scope: Message,
	Needs: readable,
	Codes: []Code{
		{"none", finding.Skip, "no chain: the message was not forwarded by anybody who seals"},
		{"holds", finding.Green, "the chain verifies"},
		{"broken", finding.Skip, "the chain does not verify; it counts for nothing"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, _ *Sample, f finding.Finding) finding.Finding {
	chain := s.Authentication(ctx).ARC
	for _, set := range chain.Sets[:min(len(chain.Sets), maxShown)] {
		f.Evidence = append(f.Evidence, fmt.Sprintf("i=%d cv=%.10s by %s: %.200s", set.Instance, set.CV, sealer(set), set.Results))
	}
	switch {
	case chain.Result == arc.None:
		f.Code, f.Summary = "none", "there is no ARC chain"
	case chain.Result == arc.Pass:
		f.Code, f.Summary = "holds", fmt.Sprintf("the ARC chain of %d sets verifies", len(chain.Sets))
	case chain.Temporary:
		return unanswered(s.String(), "the ARC chain", chain.Reason)
	default:
		f.Code, f.Summary = "broken", "the ARC chain does not verify: "+chain.Reason
	}
	return f
})}

func sealer(set arc.Set) string {
	if set.Seal == nil {
		return "nobody"
	}
	return set.Seal.Domain.String()
}
