package check

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

// The versions before TLS 1.0, by their numbers on the wire.
const (
	ssl2 = 0x0002
	ssl3 = 0x0300
)

var tlsVersions = rule{About{
	ID:       "tls.versions",
	Question: "Does the server speak TLS 1.2 or 1.3, and nothing older?",
	Why: "Senders that honour MTA-STS ask for TLS 1.2, and current libraries no longer speak anything older. TLS 1.0 and 1.1 beside the new " +
		"ones are marked by every grader; a sender that knows nothing newer would otherwise send in the clear, so that some keep them on purpose.",
	Fix:       "Allow TLS 1.2 and 1.3 only (smtpd_tls_protocols = >=TLSv1.2 in Postfix).",
	Refs:      []string{"RFC 8996", "RFC 9325 3.1.1", "RFC 8461 4.2"},
	Rows:      []string{"TLS-02"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"modern", finding.Green, "TLS 1.2 or 1.3, nothing older"},
		{"old-too", finding.Yellow, "TLS 1.0 or 1.1 beside newer ones"},
		{"only-old", finding.Red, "nothing newer than TLS 1.1"},
		{"ssl", finding.Red, "SSL 2.0 or 3.0, which are broken"},
	},
}, eachScan(judgeVersions)}

func judgeVersions(v Server, r *tlsprobe.Result) finding.Finding {
	names := acceptedVersions(r)
	f := finding.Finding{Summary: fmt.Sprintf("%s speaks %s", v, strings.Join(names, ", ")), Evidence: versionEvidence(r)}
	old := firstYes(r, tls.VersionTLS11, tls.VersionTLS10)
	modern := firstYes(r, tls.VersionTLS13, tls.VersionTLS12)
	switch {
	case firstYes(r, ssl3, ssl2).Is == tlsprobe.Yes:
		f.Code = "ssl"
	case old.Is == tlsprobe.Yes && modern.Is == tlsprobe.No:
		f.Code = "only-old"
	case modern.Is == tlsprobe.Unknown:
		return unheard(v, "speaks TLS 1.2 or 1.3", modern.Why)
	case old.Is == tlsprobe.Yes:
		f.Code = "old-too"
	case old.Is == tlsprobe.Unknown:
		return unheard(v, "speaks TLS 1.0 or 1.1", old.Why)
	case len(names) == 0:
		return unheard(v, "speaks any version", r.Handshake.Done.Why)
	default:
		f.Code, f.Evidence = "modern", nil
	}
	return f
}

// firstYes is the first version that is accepted; else the first that is not known;
// else a refusal.
func firstYes(r *tlsprobe.Result, versions ...uint16) tlsprobe.Answer {
	all := tlsprobe.Answer{Is: tlsprobe.No}
	for _, v := range versions {
		switch a := r.Version(v); {
		case a.Is == tlsprobe.Yes:
			return a
		case a.Is == tlsprobe.Unknown && all.Is == tlsprobe.No:
			all = a
		}
	}
	return all
}

func acceptedVersions(r *tlsprobe.Result) []string {
	var names []string
	for _, a := range r.Versions {
		if a.Is == tlsprobe.Yes {
			names = append(names, a.Name)
		}
	}
	return names
}

func versionEvidence(r *tlsprobe.Result) []string {
	var lines []string
	for _, a := range r.Versions {
		lines = append(lines, a.Name+": "+a.Answer.String())
	}
	return lines
}

// verdict is what a yes-or-no question of a scan comes to.
type verdict struct {
	about    string // "compresses": how the question reads behind "whether it"
	good     tlsprobe.Is
	code     string // for the good answer
	right    string
	badCode  string
	wrong    string
	absent   string // the code where the question does not arise; "" for no finding
	evidence string
}

// judge turns the answer into a finding.
func (d verdict) judge(v Server, a tlsprobe.Answer) finding.Finding {
	switch {
	case a.Is == tlsprobe.Unknown:
		return unheard(v, d.about, a.Why)
	case a.Is == tlsprobe.NotApplicable && d.absent == "":
		return finding.Finding{}
	case a.Is == tlsprobe.NotApplicable:
		return finding.Finding{Code: d.absent, Summary: fmt.Sprintf("does not arise at %s: %s", v, a.Why)}
	case a.Is == d.good:
		return finding.Finding{Code: d.code, Summary: v.String() + " " + d.right}
	}
	return finding.Finding{Code: d.badCode, Summary: v.String() + " " + d.wrong, Evidence: evidence(d.evidence + a.String())}
}

var tlsExtendedMasterSecret = rule{About{
	ID:       "tls.extended-master-secret",
	Question: "Does TLS 1.2 use the extended master secret?",
	Why: "Without it two connections can be made to share their keys, and somebody in the middle can pass one off as the other. Libraries " +
		"in FIPS mode refuse such servers.",
	Fix:       "Update the TLS library: everything since 2016 does it by itself (OpenSSL 1.1.0).",
	Refs:      []string{"RFC 7627", "RFC 9325 3.5"},
	Rows:      []string{"TLS-07"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"used", finding.Green, "it is used"},
		{"missing", finding.Red, "it is not used"},
		{"no-old-tls", finding.Skip, "only TLS 1.3 is offered, which has no need of it"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	return verdict{about: "uses the extended master secret", good: tlsprobe.Yes, code: "used", right: "uses the extended master secret",
		badCode: "missing", wrong: "does not use the extended master secret", absent: "no-old-tls", evidence: "extended_master_secret: "}.judge(v, r.ExtendedMasterSecret)
})}

var tlsRenegotiation = rule{About{
	ID:       "tls.renegotiation",
	Question: "Is renegotiation secure, and not at the client's will?",
	Why: "Insecure renegotiation (CVE-2009-3555) lets an attacker put his words before those of a sender. Renegotiation at the client's will " +
		"lets one client keep a processor busy.",
	Fix:       "Update the TLS library; turn client renegotiation off (tls_ssl_options = NO_RENEGOTIATION in Postfix).",
	Refs:      []string{"RFC 5746", "RFC 9325 3.5"},
	Rows:      []string{"TLS-08"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"secure", finding.Green, "secure, and refused to clients"},
		{"insecure", finding.Red, "renegotiation is insecure"},
		{"by-client", finding.Yellow, "clients may ask for another handshake; how often was not tried"},
		{"no-old-tls", finding.Skip, "only TLS 1.3 is offered, which has no renegotiation"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	secure := verdict{about: "renegotiates securely", good: tlsprobe.Yes, code: "secure", right: "renegotiates securely, and not at the client's will",
		badCode: "insecure", wrong: "renegotiates insecurely", absent: "no-old-tls", evidence: "secure_renegotiation: "}.judge(v, r.SecureRenegotiation)
	if secure.Code != "secure" {
		return secure
	}
	byClient := verdict{about: "lets clients renegotiate", good: tlsprobe.No, code: "secure", right: "renegotiates securely, and not at the client's will",
		badCode: "by-client", wrong: "lets clients ask for another handshake", absent: "no-old-tls", evidence: "client_renegotiation: "}
	return byClient.judge(v, r.ClientRenegotiation)
})}

var tlsCompression = rule{About{
	ID:        "tls.compression",
	Question:  "Is TLS compression off?",
	Why:       "The length of compressed text tells what is in it (CRIME, CVE-2012-4929): an attacker who can add words to a message guesses the others.",
	Fix:       "Turn compression off (tls_ssl_options = NO_COMPRESSION in Postfix), or update the TLS library.",
	Refs:      []string{"RFC 9325 3.3"},
	Rows:      []string{"TLS-08"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"off", finding.Green, "nothing is compressed"},
		{"on", finding.Red, "compression is on"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	return verdict{about: "compresses", good: tlsprobe.No, code: "off", right: "does not compress", badCode: "on",
		wrong: "compresses inside TLS", evidence: "compression: "}.judge(v, r.Compression)
})}

var tlsEarlyData = rule{About{
	ID:       "tls.early-data",
	Question: "Is early data (0-RTT) off?",
	Why: "Early data can be recorded and sent again by anybody. SMTP has no rules for it, so that a server that takes it takes a message twice. " +
		"No sender uses it, and none refuses a server for it.",
	Fix:       "Turn early data off in the TLS settings; mail servers have it off unless somebody turned it on.",
	Refs:      []string{"RFC 8446 8", "RFC 8446 E.5"},
	Rows:      []string{"TLS-09"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"off", finding.Green, "no early data is taken"},
		{"on", finding.Yellow, "early data is offered"},
		{"no-tls-1-3", finding.Skip, "TLS 1.3 is not offered, and only that has early data"},
	},
}, eachScan(func(v Server, r *tlsprobe.Result) finding.Finding {
	return verdict{about: "takes early data", good: tlsprobe.No, code: "off", right: "takes no early data", badCode: "on",
		wrong: "offers early data", absent: "no-tls-1-3", evidence: "early_data: "}.judge(v, r.EarlyData)
})}
