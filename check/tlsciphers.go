package check

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

var tlsCiphers = rule{About{
	ID:       "tls.ciphers",
	Question: "Are all cipher suites that the server accepts good enough?",
	Why: "An attacker in the middle steers a weak pair of machines to the weakest suite both know. Suites without forward secrecy let whoever " +
		"gets the key later read all mail that was recorded before. Senders of today agree on a good one, so no mail is lost either way; " +
		"internet.nl marks the others.",
	Fix:       "Allow ECDHE with AES-GCM or ChaCha20 only (smtpd_tls_mandatory_ciphers = high, tls_high_cipherlist = ECDHE+AESGCM:ECDHE+CHACHA20 in Postfix).",
	Refs:      []string{"RFC 9325 4.2", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-03"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"good", finding.Green, "only suites that are good or sufficient"},
		{"phase-out", finding.Yellow, "suites that are to be phased out: CBC, or DHE"},
		{"bad-too", finding.Yellow, "suites that are broken or without forward secrecy, beside good ones"},
		{"bad", finding.Red, "no suite but those that are broken or without forward secrecy"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	return judgeOffered(v, "cipher suites", r.Suites)
})}

// judgeOffered goes by the worst of what is accepted. What was not asked may be worse
// still, so that only then something good is unknown.
func judgeOffered(v Server, what string, o tlsprobe.Offered) finding.Finding {
	bad, old := o.Of(tlsprobe.Bad), o.Of(tlsprobe.PhaseOut)
	f := finding.Finding{Evidence: algorithmEvidence(o)}
	switch {
	case len(bad) > 0 && len(bad)+len(old) < len(o.Accepted):
		// Mail is the one use of TLS whose alternative is no TLS at all (RFC 7435): who
		// knows a good one uses it, and who does not would send in the clear.
		f.Code, f.Summary = "bad-too", fmt.Sprintf("%s accepts bad %s beside good ones: %s", v, what, algorithmNames(bad))
	case len(bad) > 0:
		f.Code, f.Summary = "bad", fmt.Sprintf("%s accepts bad %s only: %s", v, what, algorithmNames(bad))
	case !o.Families:
		return unheard(v, "accepts bad "+what, o.Why)
	case len(old) > 0:
		f.Code, f.Summary = "phase-out", fmt.Sprintf("%s accepts %s that are to be phased out: %s", v, what, algorithmNames(old))
	default:
		f.Code, f.Summary, f.Evidence = "good", fmt.Sprintf("%s accepts good %s only", v, what), nil
	}
	return f
}

func algorithmNames(list []tlsprobe.Algorithm) string {
	const most = 4
	var names []string
	for _, a := range list[:min(most, len(list))] {
		names = append(names, a.Name)
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func algorithmEvidence(o tlsprobe.Offered) []string {
	var lines []string
	for _, a := range o.Accepted {
		lines = append(lines, fmt.Sprintf("%s: %s", a.Name, a.Class))
	}
	if !o.Complete && o.Why != "" {
		lines = append(lines, "the list is not complete: "+o.Why)
	}
	return lines
}

var tlsOrder = rule{About{
	ID:       "tls.order",
	Question: "Does the server choose the better cipher suite where a worse one is offered first?",
	Why: "As long as old suites are accepted for old senders, the order decides what everybody else gets. Where the sender decides, a careless " +
		"one gets the old suite though both know better.",
	Fix:       "Turn the server's own order on (tls_preempt_cipherlist = yes in Postfix), or take the old suites out.",
	Refs:      []string{"RFC 9325 4.2.1", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-04"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"by-server", finding.Green, "the server takes the better one"},
		{"by-client", finding.Red, "the server takes what the sender put first, though it is to be phased out"},
		{"no-choice", finding.Skip, "nothing old is accepted beside something good, so the order does not matter"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	return verdict{about: "chooses the better suite", good: tlsprobe.Yes, code: "by-server", right: "chooses the better cipher suite", badCode: "by-client",
		wrong: "takes an old cipher suite though a better one was offered", absent: "no-choice", evidence: "server_order: "}.judge(v, r.ServerOrder)
})}

// weakPrime is what LOGJAM's authors could break with a state's means; shortPrime what
// the guidelines ask for at least.
const (
	weakPrime  = 1024
	shortPrime = 2048
)

var tlsGroups = rule{About{
	ID:       "tls.groups",
	Question: "Are the groups and curves of the key exchange good enough?",
	Why: "The key exchange is what keeps recorded mail secret for years. Finite-field groups are slow and were often chosen too small; " +
		"old curves are too short.",
	Fix:       "Allow X25519, P-256 and P-384 (tls_eecdh_auto_curves = X25519 prime256v1 secp384r1 in Postfix) and no finite-field groups.",
	Refs:      []string{"RFC 9325 4.4", "RFC 8422", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-05"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"good", finding.Green, "only good groups"},
		{"phase-out", finding.Yellow, "P-224 or finite-field groups, which are to be phased out"},
		{"bad-too", finding.Yellow, "groups that are too small, beside good ones"},
		{"bad", finding.Red, "no group but those that are too small"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	if r.DHBits > 0 && r.DHBits < shortPrime {
		return finding.Finding{Code: "bad", Summary: fmt.Sprintf("%s exchanges keys with a prime of %d bits only", v, r.DHBits),
			Evidence: append([]string{fmt.Sprintf("dh_bits: %d", r.DHBits)}, algorithmEvidence(r.Groups)...),
			Fix:      "Turn DHE off, or give the server a prime of 3072 bits (smtpd_tls_dh1024_param_file = auto in Postfix)."}
	}
	return judgeOffered(v, "groups", r.Groups)
})}

var tlsKeyExchangeHash = rule{About{
	ID:        "tls.key-exchange-hash",
	Question:  "Is the key exchange signed with SHA-256 or better?",
	Why:       "In TLS 1.2 the server signs its half of the key exchange. With SHA-1, whose collisions can be bought, that signature proves too little; current libraries refuse it.",
	Fix:       "Update the TLS library, or leave SHA-1 and SHA-224 out of its signature algorithms.",
	Refs:      []string{"RFC 9155", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-06"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"strong", finding.Green, "SHA-256 or better, even when less is asked for"},
		{"sha-224", finding.Yellow, "SHA-224 when that is asked for"},
		{"sha-1", finding.Red, "SHA-1 or MD5 when that is asked for"},
		{"no-old-tls", finding.Skip, "only TLS 1.3 is offered, which knows neither"},
		{"no-tls-1-2", finding.Skip, "only TLS 1.1 or older is offered, which know nothing better"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	if firstYes(r, tls.VersionTLS13, tls.VersionTLS12).Is == tlsprobe.No {
		return finding.Finding{Code: "no-tls-1-2", Summary: "does not arise at " + v.String() + ": it speaks no TLS that lets it choose (see tls.versions)"}
	}
	d := verdict{about: "signs with SHA-1", good: tlsprobe.No, code: "strong", right: "signs its key exchange with SHA-256 or better",
		badCode: "sha-1", wrong: "signs its key exchange with a weak hash", absent: "no-old-tls", evidence: "weak_hash: "}
	if r.WeakHash.Why == "SHA-224" {
		d.badCode = "sha-224"
	}
	return d.judge(v, r.WeakHash)
})}

var tlsPostQuantum = rule{About{
	ID:       "tls.post-quantum",
	Question: "Does the server agree on keys that a quantum computer will not break?",
	Why: "Mail that is recorded today can be read once there are quantum computers. Hybrid groups such as X25519MLKEM768 prevent that; large " +
		"senders offer them. Nobody refuses mail for want of them.",
	Fix:       "Update the TLS library: OpenSSL 3.5, Go 1.24 and newer do it by themselves.",
	Refs:      []string{"RFC 9794", "NCSC-NL TLS guidelines 2025-05"},
	Rows:      []string{"TLS-15"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"hybrid", finding.Green, "a hybrid group is accepted"},
		{"classic", finding.Skip, "no hybrid group; nobody asks for it yet"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	f := verdict{about: "knows a hybrid group", good: tlsprobe.Yes, code: "hybrid", right: "agrees on " + r.PostQuantum.Why, badCode: "classic",
		wrong: "knows no hybrid group", absent: "classic"}.judge(v, r.PostQuantum)
	f.Evidence = nil
	return f
})}
