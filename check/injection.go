package check

import (
	"context"
	"errors"
	"net/netip"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

var smtpInjection = rule{About{
	ID:       "smtp.starttls-injection",
	Question: "Does the server forget what was said before TLS?",
	Why: "Commands that somebody on the way appends to STARTTLS in the clear must be thrown away. A server that obeys them inside TLS lets " +
		"the man in the middle speak for the client (CVE-2011-0411).",
	Fix:       "Update the server, or the proxy that does TLS for it: the input must be emptied between the reply 220 and the handshake.",
	Refs:      []string{"RFC 3207 4.2", "RFC 3207 6"},
	Rows:      []string{"SMTP-12"},
	Practices: []string{"I1"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"forgotten", finding.Green, "what stood behind STARTTLS in the clear was thrown away"},
		{"obeyed", finding.Red, "a command sent in the clear was obeyed inside TLS"},
		{"no-starttls", finding.Skip, "STARTTLS is not offered, or does not work"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		proof := s.Proof(ctx, v.IP)
		switch {
		case visit.StartTLS.State == nil:
			return finding.Finding{Code: "no-starttls", Summary: v.String() + " has no TLS into which something could be injected"}
		case !proof.Granted:
			return finding.Finding{Code: "needs-proof", Summary: "not tried on " + v.String() + ": " + proof.How}
		case visit.Connecting+visit.Greeting > slowDialogue:
			return unseen(v.String(), errTooSlow)
		}
		p := &injector{prober: prober{subject: s, to: netip.AddrPortFrom(v.IP, 25)}}
		defer p.hangUp()
		return p.judge(ctx, v)
	})
}}

// errRefusedPiece is a server that does not begin TLS when there is more behind the
// command.
var errRefusedPiece = errors.New("STARTTLS with a command behind it was refused")

// injector says STARTTLS with a command behind it.
type injector struct{ prober }

func (p *injector) judge(ctx context.Context, v Server) finding.Finding {
	first, err := p.inject(ctx)
	obeyed := finding.Finding{Code: "obeyed", Summary: v.String() + " obeys inside TLS what was sent before it"}
	if p.client != nil {
		obeyed.Evidence = p.client.Transcript().Evidence()
	}
	switch {
	case errors.Is(err, smtp.ErrInjection):
		obeyed.Summary = v.String() + " answers what stands behind STARTTLS in the clear, before the handshake"
		return obeyed
	case errors.Is(err, errRefusedPiece):
		return finding.Finding{Code: "forgotten", Summary: v.String() + " refuses STARTTLS with a command behind it: " + first.String()}
	case errors.Is(err, smtp.ErrTLS):
		// The server took the octets for a handshake, or hung up on them: safe either way.
	case err != nil:
		return unseen(v.String(), err)
	case first.Code != 221:
		return obeyed
	}
	return finding.Finding{Code: "forgotten", Summary: v.String() + " throws away what stands behind STARTTLS in the clear"}
}

// inject sends STARTTLS and NOOP in one piece, shakes hands, says QUIT and gives the
// first reply inside TLS: 221 answers QUIT, anything else NOOP. No time-out is waited
// for.
func (p *injector) inject(ctx context.Context) (mail.Reply, error) {
	if err := p.open(ctx); err != nil {
		return mail.Reply{}, err
	}
	if err := p.client.Raw(ctx, []byte("STARTTLS\r\nNOOP\r\n")); err != nil {
		return mail.Reply{}, err
	}
	reply, err := p.client.ReadReply(ctx)
	if err == nil && !reply.IsPositive() {
		err = errRefusedPiece // Exim calls it a synchronisation error, newer Postfix unauthorised pipelining
	}
	if err != nil {
		return reply, err
	}
	if err := p.client.Handshake(ctx, p.tlsConfig(ctx)); err != nil {
		return mail.Reply{}, err
	}
	if err := p.client.Raw(ctx, []byte("QUIT\r\n")); err != nil {
		return mail.Reply{}, err
	}
	return p.client.ReadReply(ctx)
}
