package check

import (
	"context"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

var tlsChain = rule{About{
	ID:       "tls.chain",
	Question: "Does the certificate lead to an authority that senders trust, with nothing missing in between?",
	Why: "Most senders take any certificate on port 25 and encrypt all the same. Senders that verify do not: with MTA-STS in mode enforce " +
		"Google, Microsoft and Yahoo hold the mail back, and so does everybody who requires verified TLS from you by agreement.",
	Fix: "Install the whole chain (fullchain.pem, not cert.pem) of a certificate by a public authority. A certificate of your own is right " +
		"only with a TLSA record that vouches for it.",
	Refs:      []string{"RFC 5280 6", "RFC 8461 4.2", "RFC 7672 3.1"},
	Rows:      []string{"TLS-10"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"trusted", finding.Green, "the chain leads to a trusted authority"},
		{"vouched-for", finding.Green, "a TLSA record vouches for the certificate, whoever issued it"},
		{"untrusted", finding.Yellow, "it does not; senders encrypt without knowing with whom"},
		{"refused", finding.Red, "it does not, and the MTA-STS policy tells senders not to deliver then"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachChain(ctx, s, func(v Server, visit *Visit, chain tlsprobe.Chain) finding.Finding {
		if chain.Trusted.Is == tlsprobe.Yes {
			return finding.Finding{Code: "trusted", Summary: fmt.Sprintf("the certificate of %s is by %s", v, chain.Certificates[0].Issuer)}
		}
		f := s.weighCertificate(ctx, v, visit, "untrusted")
		f.Summary = fmt.Sprintf("the certificate of %s is not trusted: %s", v, faultWords[chain.Fault])
		f.Evidence = append(chainEvidence(chain), chain.Trusted.Why)
		if chain.Fault == tlsprobe.Incomplete {
			f.Fix = "Install the chain with the certificate of the issuer, " + chain.Certificates[len(chain.Certificates)-1].Issuer + "."
		}
		return f
	})
}}

// faultWords say for people why a chain is not trusted.
var faultWords = map[tlsprobe.Fault]string{
	tlsprobe.Unreadable:  "it cannot be read",
	tlsprobe.Expired:     "it, or one above it, has expired",
	tlsprobe.NotYetValid: "it, or one above it, is not valid yet",
	tlsprobe.SelfSigned:  "it signed itself",
	tlsprobe.Incomplete:  "the certificate of its issuer is missing from the chain, or its issuer is not known",
	tlsprobe.UnknownRoot: "its authority is one that nobody knows",
	tlsprobe.WrongUse:    "it is not for servers, or its issuer may not issue it",
	tlsprobe.OtherFault:  "its chain does not verify",
}

// weighCertificate says what a wrong certificate means at this host: nothing where a
// TLSA record vouches for it and no policy asks for more, refused mail where an
// MTA-STS policy is enforced, otherwise the mild code.
func (s *Subject) weighCertificate(ctx context.Context, v Server, visit *Visit, mild string) finding.Finding {
	switch {
	case s.isSTSEnforced(ctx):
		return finding.Finding{Code: "refused", Affects: stsSenders}
	case s.isVouchedFor(ctx, v, visit.StartTLS.State.PeerCertificates):
		return finding.Finding{Code: "vouched-for"}
	}
	return finding.Finding{Code: mild}
}

func chainEvidence(chain tlsprobe.Chain) []string {
	var lines []string
	for i, c := range chain.Certificates[:min(6, len(chain.Certificates))] {
		lines = append(lines, fmt.Sprintf("certificate %d: %.120q by %.120q, %s %d, %s, until %s", i, c.Subject, c.Issuer,
			c.KeyType, c.KeyBits, c.Signature, c.NotAfter.UTC().Format(time.DateOnly)))
	}
	return lines
}

var tlsName = rule{About{
	ID:       "tls.name",
	Question: "Is the certificate for the name of the MX host?",
	Why: "A certificate for another name proves nothing about this host. Most senders deliver all the same; those that honour an enforced " +
		"MTA-STS policy do not.",
	Fix:       "Get a certificate whose subject alternative names hold the MX name, and have the server show it on port 25.",
	Refs:      []string{"RFC 9525 6.3", "RFC 8461 4.2"},
	Rows:      []string{"TLS-11"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"matches", finding.Green, "the certificate is for the name"},
		{"vouched-for", finding.Green, "it is for another name, and a TLSA record vouches for it"},
		{"wrong-name", finding.Yellow, "it is for another name"},
		{"refused", finding.Red, "it is for another name, and the MTA-STS policy tells senders not to deliver then"},
		{"no-name", finding.Skip, "the server was given by address, so there is no name to compare with"},
		{"alias", finding.Skip, "it is for the host of which the MX name is an alias; the MX record must name it (mx.target)"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachChain(ctx, s, func(v Server, visit *Visit, chain tlsprobe.Chain) finding.Finding {
		switch chain.NameMatches.Is {
		case tlsprobe.Yes:
			return finding.Finding{Code: "matches", Summary: "the certificate of " + v.String() + " is for its name"}
		case tlsprobe.NotApplicable:
			return finding.Finding{Code: "no-name", Summary: v.String() + " was given by address, so there is no name to compare with"}
		}
		if s.isForAlias(ctx, v, visit) {
			return finding.Finding{Code: "alias", Summary: v.String() + " has a certificate for the host of which its name is an alias"}
		}
		f := s.weighCertificate(ctx, v, visit, "wrong-name")
		f.Summary = fmt.Sprintf("the certificate of %s is for another name: %s", v, chain.NameMatches.Why)
		f.Evidence = chainEvidence(chain)
		f.Fix = fmt.Sprintf("Get a certificate for %s, or let the MX record name a host that the certificate is for.", v.Name)
		return f
	})
}}

// renewBefore is when a certificate that renews itself should have done so.
const renewBefore = 14 * 24 * time.Hour

var tlsExpiry = rule{About{
	ID:       "tls.expiry",
	Question: "Is the certificate valid, and for some weeks more?",
	Why: "A certificate that renews itself never comes near its end: one that does tells of a renewal that fails. On the day it expires, " +
		"senders that honour an enforced MTA-STS policy stop delivering, and mail programs warn their users.",
	Fix:       "Renew the certificate and reload the mail server; find out why it did not happen by itself.",
	Refs:      []string{"RFC 5280 4.1.2.5"},
	Rows:      []string{"TLS-13"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"valid", finding.Green, "valid for two weeks or more"},
		{"soon", finding.Yellow, "it expires within two weeks"},
		{"expired", finding.Red, "it has expired"},
		{"not-yet", finding.Red, "it is not valid yet"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachChain(ctx, s, func(v Server, _ *Visit, chain tlsprobe.Chain) finding.Finding {
		return judgeDates(v, chain, s.World.Now())
	})
}}

// judgeDates goes by the certificate of the chain that ends first. A root that was
// sent along does not count: nobody looks at its dates.
func judgeDates(v Server, chain tlsprobe.Chain, now time.Time) finding.Finding {
	counted := belowRoot(chain)
	first, begins := counted[0], counted[0].NotBefore
	for _, c := range counted[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
		if c.NotBefore.After(begins) {
			begins = c.NotBefore
		}
	}
	left := first.NotAfter.Sub(now)
	day := first.NotAfter.UTC().Format(time.DateOnly)
	f := finding.Finding{Evidence: chainEvidence(chain)}
	switch {
	case left < 0:
		f.Code, f.Summary = "expired", fmt.Sprintf("the certificate of %s expired on %s", v, day)
	case now.Before(begins):
		f.Code, f.Summary = "not-yet", fmt.Sprintf("the certificate of %s is valid only from %s on", v, begins.UTC().Format(time.DateTime))
	case left < renewBefore:
		f.Code, f.Summary = "soon", fmt.Sprintf("the certificate of %s expires in %d days, on %s", v, int(left/(24*time.Hour)), day)
	default:
		f.Code, f.Summary, f.Evidence = "valid", fmt.Sprintf("the certificate of %s is valid for %d days, until %s", v, int(left/(24*time.Hour)), day), nil
	}
	return f
}

// belowRoot is the chain without a root at its end; a lone certificate counts, even
// if it signed itself.
func belowRoot(chain tlsprobe.Chain) []tlsprobe.Certificate {
	certs := chain.Certificates
	if last := len(certs) - 1; last > 0 && certs[last].SelfSigns {
		return certs[:last]
	}
	return certs
}

var tlsSecondCertificate = rule{About{
	ID:       "tls.second-certificate",
	Question: "Is the certificate for older senders as good as the one for newer?",
	Why: "A server with two kinds of keys shows RSA to older senders and ECDSA to newer ones. The one that the administrator's own tools " +
		"do not see is the one that is forgotten at renewal.",
	Fix:       "Renew both certificates together, or keep only one.",
	Refs:      []string{"RFC 5280 6"},
	Rows:      []string{"TLS-10", "TLS-11", "TLS-13"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"as-good", finding.Green, "the other certificate is as good"},
		{"worse", finding.Yellow, "the other certificate is not trusted or for another name"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachChain(ctx, s, func(v Server, visit *Visit, first tlsprobe.Chain) finding.Finding {
		f := finding.Finding{}
		for _, chain := range s.otherChains(ctx, v, visit) {
			trust, name := chain.Trusted.Is == tlsprobe.No && first.Trusted.Is == tlsprobe.Yes, chain.NameMatches.Is == tlsprobe.No && first.NameMatches.Is == tlsprobe.Yes
			if trust || name {
				return finding.Finding{Code: "worse", Evidence: append(chainEvidence(chain), evidence(chain.Trusted.Why, chain.NameMatches.Why)...),
					Summary: fmt.Sprintf("%s shows another certificate to other senders, with a %s key, which is not as good", v, chain.Certificates[0].KeyType)}
			}
			f.Code, f.Summary = "as-good", v.String()+" has a second certificate, as good as the first"
		}
		return f
	})
}}

var tlsKeys = rule{About{
	ID:       "tls.keys",
	Question: "Are the keys and signatures of the certificates strong enough for years to come?",
	Why: "The Dutch NCSC asks for RSA keys of 3072 bits or ECDSA by 2030 and has RSA with 2048 bits phased out; internet.nl marks it. No " +
		"mail server refuses RSA with 2048 bits. Shorter keys and signatures with SHA-1 are refused by current TLS libraries.",
	Fix:       "Ask for a certificate with an ECDSA P-256 key (certbot --key-type ecdsa); it is smaller and faster as well.",
	Refs:      []string{"RFC 9325 4.5", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-12"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"strong", finding.Green, "ECDSA, EdDSA, or RSA with 3072 bits or more"},
		{"phase-out", finding.Yellow, "RSA with less than 3072 bits; only graders such as internet.nl mind"},
		{"weak", finding.Red, "a key or signature that current software refuses"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachChain(ctx, s, func(v Server, _ *Visit, chain tlsprobe.Chain) finding.Finding {
		return judgeCertificateKeys(v, chain)
	})
}}

func judgeCertificateKeys(v Server, chain tlsprobe.Chain) finding.Finding {
	f := finding.Finding{Code: "strong", Summary: fmt.Sprintf("the certificate of %s has a strong key: %s %d", v,
		chain.Certificates[0].KeyType, chain.Certificates[0].KeyBits)}
	for _, c := range belowRoot(chain) {
		switch code, what := gradeKey(c); {
		case code == "weak":
			return finding.Finding{Code: code, Summary: fmt.Sprintf("%s shows a certificate with %s, which current software refuses", v, what), Evidence: chainEvidence(chain)}
		case code == "phase-out" && f.Code == "strong":
			f.Code, f.Evidence = code, chainEvidence(chain)
			f.Summary = fmt.Sprintf("%s shows a certificate with %s; no mail is refused for it, but internet.nl marks it", v, what)
		}
	}
	return f
}

// gradeKey goes by the NCSC guidelines of 2025-05.
func gradeKey(c tlsprobe.Certificate) (code, what string) {
	key := fmt.Sprintf("a key %s %d", c.KeyType, c.KeyBits)
	switch c.Signature {
	case "MD2-RSA", "MD5-RSA", "SHA1-RSA", "DSA-SHA1", "ECDSA-SHA1":
		if !c.SelfSigns {
			return "weak", "a signature " + c.Signature
		}
	}
	switch {
	case c.KeyType == "RSA" && c.KeyBits < 2048, c.KeyType == "ECDSA" && c.KeyBits < 224, c.KeyType == "unknown":
		return "weak", key
	case c.KeyType == "RSA" && c.KeyBits < 3072, c.KeyType == "ECDSA" && c.KeyBits < 256:
		return "phase-out", key
	}
	return "strong", key
}
