package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

func tlsChecks() []Check {
	return []Check{
		tlsOffered, tlsChain, tlsName, tlsExpiry, tlsKeys, tlsSecondCertificate, tlsAlike,
		tlsVersions, tlsCiphers, tlsOrder, tlsGroups, tlsKeyExchangeHash, tlsExtendedMasterSecret, tlsRenegotiation,
		tlsCompression, tlsEarlyData, tlsKnownHoles, tlsPostQuantum,
	}
}

var tlsOffered = rule{About{
	ID:       "tls.offered",
	Question: "Does the server offer STARTTLS, and does it work?",
	Why: "Without TLS everybody on the way reads the mail, Gmail shows an open padlock to its users, and senders that require TLS " +
		"do not deliver. STARTTLS that is offered and then fails is worse: many senders stop there and do not fall back.",
	Fix:       "Give the mail server a certificate and turn STARTTLS on (smtpd_tls_security_level = may in Postfix); look for firewalls with SMTP inspection on the way.",
	Refs:      []string{"RFC 3207", "RFC 7435"},
	Rows:      []string{"TLS-01"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"works", finding.Green, "STARTTLS works"},
		{"not-offered", finding.Red, "STARTTLS is not offered"},
		{"stripped", finding.Red, "a device on the way takes STARTTLS out of the answer to EHLO"},
		{"refused", finding.Red, "STARTTLS is offered and then refused"},
		{"injected", finding.Red, "plaintext follows the answer to STARTTLS, as an attacker would inject it"},
		{"broken", finding.Red, "STARTTLS is accepted and the handshake fails"},
		{"lost-after", finding.Red, "the conversation breaks off after the handshake"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, judgeOffer)
}}

func judgeOffer(v Server, visit *Visit) finding.Finding {
	answer := visit.StartTLS
	f := finding.Finding{Evidence: startTLSEvidence(visit)}
	hidden := visit.hidesTLS()
	switch {
	case hidden != nil:
		return unseen(v.String(), hidden)
	case !answer.Offered && isMasked(visit.Extensions.Keywords()):
		f.Code, f.Summary = "stripped", v.String()+" has its extensions masked on the way, STARTTLS among them"
		f.Fix = "Turn SMTP inspection off in the firewall (no fixup protocol smtp, no inspect esmtp)."
	case !answer.Offered:
		f.Code, f.Summary = "not-offered", v.String()+" does not offer STARTTLS"
	case errors.Is(answer.Err, smtp.ErrInjection):
		f.Code, f.Summary = "injected", v.String()+" sends plaintext behind its answer to STARTTLS: "+answer.Err.Error()
		f.Fix = "Nothing may follow the 220 line. If the server itself does not send it, somebody on the way does."
	case !answer.Reply.IsZero() && !answer.Reply.IsPositive():
		f.Code, f.Summary = "refused", v.String()+" offers STARTTLS and refuses it: "+answer.Reply.String()
		f.Fix = "Look into the server's log: most often the certificate or its key cannot be read."
	case answer.State == nil:
		f.Code, f.Summary = "broken", fmt.Sprintf("%s accepts STARTTLS, and then TLS fails: %s", v, answer.Err)
		f.Fix = "Look into the server's log: the certificate or key may be broken, or only methods of TLS that nobody speaks any more are allowed."
	case answer.Err != nil:
		f.Code, f.Summary = "lost-after", fmt.Sprintf("%s breaks off after the TLS handshake: %s", v, answer.Err)
	default:
		return finding.Finding{Code: "works", Summary: fmt.Sprintf("STARTTLS works at %s: %s, %s", v,
			tls.VersionName(answer.State.Version), tls.CipherSuiteName(answer.State.CipherSuite))}
	}
	return f
}

// isMasked reports what firewalls leave of keywords that they do not know.
func isMasked(keywords []string) bool {
	for _, k := range keywords {
		if strings.HasPrefix(k, "XXXX") {
			return true
		}
	}
	return false
}

// startTLSEvidence is what was said about STARTTLS: the offer, or its lack in the
// answer to EHLO, and what followed the command.
func startTLSEvidence(visit *Visit) []string {
	const most = 5
	for i, line := range visit.Transcript {
		if line == "C: STARTTLS" {
			return visit.Transcript[i:min(i+most, len(visit.Transcript))]
		}
	}
	if k := visit.Extensions.Keywords(); len(k) > 0 {
		return []string{"S: EHLO offers " + strings.Join(k, " ")}
	}
	return []string{"S: " + visit.Hello.String()}
}

var tlsAlike = rule{About{
	ID:       "tls.alike",
	Question: "Do all addresses of all MX hosts show TLS alike?",
	Why: "Senders take whichever host answers, and an attacker makes sure that it is the worst one. A forgotten certificate on the IPv6 " +
		"address or on the backup shows up as mail that fails now and then.",
	Fix:       "Give every host and every address the same TLS settings and a certificate that is as good.",
	Refs:      []string{"RFC 7672 2.2", "RFC 8461 4.1"},
	Rows:      []string{"TLS-16"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"alike", finding.Green, "all show the same version, and certificates as good"},
		{"differ", finding.Yellow, "one is worse than another"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var shown []string
	eachChain(ctx, s, func(v Server, visit *Visit, chain tlsprobe.Chain) finding.Finding {
		words := []string{tls.VersionName(visit.StartTLS.State.Version), "certificate trusted: " + chain.Trusted.Is.String(),
			"for its name: " + chain.NameMatches.Is.String()}
		shown = append(shown, v.String()+": "+strings.Join(words, ", "))
		return finding.Finding{}
	})
	if len(shown) < 2 {
		return nil
	}
	_, first, _ := strings.Cut(shown[0], "): ")
	for _, line := range shown[1:] {
		if _, other, _ := strings.Cut(line, "): "); other != first {
			return one(finding.Finding{Code: "differ", Subject: s.String(), Summary: "the servers of " + s.String() + " do not show TLS alike", Evidence: shown})
		}
	}
	return one(finding.Finding{Code: "alike", Subject: s.String(), Summary: fmt.Sprintf("%d addresses show TLS alike", len(shown))})
}}
