package check

import (
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

var tlsKnownHoles = rule{About{
	ID:       "tls.known-holes",
	Question: "Is the server free of the known holes of TLS that show in its offers?",
	Why: "Each of them has a name because somebody read or changed traffic with it: DROWN (SSL 2.0), POODLE (SSL 3.0), FREAK and LOGJAM (export " +
		"suites, short primes), SWEET32 (3DES), RC4, and suites without encryption or without any key of the server. " +
		"Only offers are looked at: holes that must be exploited to be seen (Heartbleed, ROBOT, Ticketbleed) are not tried on anybody.",
	Fix:       "Update the TLS library and allow TLS 1.2 and 1.3 with modern suites only; that closes all of them.",
	Refs:      []string{"RFC 6176", "RFC 7568", "RFC 7465", "RFC 9325 4.1"},
	Rows:      []string{"TLS-14"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"none", finding.Green, "none of them shows"},
		{"open", finding.Red, "one or more are open"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	open, unknown := knownHoles(r)
	switch {
	case len(open) > 0:
		return finding.Finding{Code: "open", Summary: fmt.Sprintf("%s is open to %s", v, strings.Join(open, ", ")), Evidence: holeEvidence(r)}
	case unknown != "":
		return unheard(v, "has one of the known holes", unknown)
	}
	return finding.Finding{Code: "none", Summary: v.String() + " shows none of the known holes"}
})}

// holes are the families of suites that have a name of their own among attacks.
var holes = []struct{ family, name string }{
	{"export", "FREAK and LOGJAM (export suites)"},
	{"3des", "SWEET32 (3DES)"},
	{"rc4", "the attacks on RC4"},
	{"anonymous", "anybody in the middle (suites without a key of the server)"},
	{"null", "anybody who listens (suites without encryption)"},
}

// knownHoles are those that show, and why one more may.
func knownHoles(r *tlsprobe.Result) (open []string, unknown string) {
	for _, old := range []struct {
		version uint16
		name    string
	}{{ssl2, "DROWN (SSL 2.0)"}, {ssl3, "POODLE (SSL 3.0)"}} {
		switch a := r.Version(old.version); a.Is {
		case tlsprobe.Yes:
			open = append(open, old.name)
		case tlsprobe.Unknown:
			unknown = "SSL: " + a.Why
		}
	}
	for _, h := range holes {
		if r.Suites.HasFamily(h.family) {
			open = append(open, h.name)
		}
	}
	if r.DHBits > 0 && r.DHBits <= weakPrime {
		open = append(open, fmt.Sprintf("LOGJAM (a prime of %d bits)", r.DHBits))
	}
	if !r.Suites.Families {
		unknown = "suites: " + r.Suites.Why
	}
	return open, unknown
}

func holeEvidence(r *tlsprobe.Result) []string {
	lines := versionEvidence(r)
	for _, a := range r.Suites.Of(tlsprobe.Bad) {
		lines = append(lines, a.Name)
	}
	if r.DHBits > 0 {
		lines = append(lines, fmt.Sprintf("dh_bits: %d", r.DHBits))
	}
	return lines
}
