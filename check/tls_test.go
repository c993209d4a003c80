package check

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

var mxServer = Server{Name: mail.MustParseDomain("mx.example.com")}

// scanResult is a scan in which each version has the answer given, the newest first:
// y, n or ? for unknown.
func scanResult(versions string) *tlsprobe.Result {
	r := &tlsprobe.Result{Suites: tlsprobe.Offered{Families: true}, Groups: tlsprobe.Offered{Families: true}}
	numbers := []uint16{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10, ssl3, ssl2}
	answers := map[rune]tlsprobe.Is{'y': tlsprobe.Yes, 'n': tlsprobe.No, '?': tlsprobe.Unknown}
	for i, sign := range versions {
		r.Versions = append(r.Versions, tlsprobe.VersionAnswer{Version: numbers[i], Name: tls.VersionName(numbers[i]),
			Answer: tlsprobe.Answer{Is: answers[sign], Why: "as the test says"}})
	}
	return r
}

func TestJudgeVersions(t *testing.T) {
	tests := []struct{ versions, want string }{
		{"yynnnn", "modern"}, {"nynnnn", "modern"}, {"ynnnnn", "modern"},
		{"yyynnn", "old-too"}, {"yynynn", "old-too"}, {"y?nynn", "old-too"},
		{"nnyynn", "only-old"}, {"nnnynn", "only-old"},
		{"yyyyyn", "ssl"}, {"yynnny", "ssl"}, {"??????", "no-answer"},
		{"yy??nn", "no-answer"}, {"?nynnn", "no-answer"}, {"nnnnnn", "no-answer"},
		{"yynn??", "modern"}, // tls.known-holes tells of SSL
	}
	for _, tt := range tests {
		if f := judgeVersions(mxServer, scanResult(tt.versions)); f.Code != tt.want {
			t.Errorf("%s: %s, want %s (%s)", tt.versions, f.Code, tt.want, f.Summary)
		}
	}
}

func offered(families bool, classes ...tlsprobe.Class) tlsprobe.Offered {
	o := tlsprobe.Offered{Families: families, Why: "as the test says"}
	for i, c := range classes {
		o.Accepted = append(o.Accepted, tlsprobe.Algorithm{ID: uint16(i + 1), Name: "TLS_" + string(c), Class: c})
	}
	return o
}

func TestJudgeOffered(t *testing.T) {
	tests := []struct {
		name string
		o    tlsprobe.Offered
		want string
	}{
		{"good only", offered(true, tlsprobe.Good, tlsprobe.Sufficient), "good"},
		{"old too", offered(true, tlsprobe.Good, tlsprobe.PhaseOut), "phase-out"},
		{"bad too", offered(true, tlsprobe.Good, tlsprobe.PhaseOut, tlsprobe.Bad), "bad-too"},
		{"bad, and not all asked", offered(false, tlsprobe.Bad), "bad"},
		{"good, and not all asked", offered(false, tlsprobe.Good), "no-answer"},
		{"old, and not all asked", offered(false, tlsprobe.PhaseOut), "no-answer"},
		{"nothing seen", tlsprobe.Offered{}, "no-answer"},
	}
	for _, tt := range tests {
		if f := judgeOffered(mxServer, "suites", tt.o); f.Code != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, f.Code, tt.want)
		}
	}
}

func TestKnownHoles(t *testing.T) {
	with := func(family string) *tlsprobe.Result {
		r := scanResult("yynnnn")
		r.Suites.Accepted = []tlsprobe.Algorithm{{Name: "TLS_OLD", Family: family, Class: tlsprobe.Bad}}
		return r
	}
	short := scanResult("yynnnn")
	short.DHBits = 1024
	tests := []struct {
		name    string
		r       *tlsprobe.Result
		open    string
		unknown bool
	}{
		{"none", scanResult("yynnnn"), "", false},
		{"static keys have no name", with("static-key"), "", false},
		{"SSL 2.0", scanResult("yynnny"), "DROWN", false},
		{"SSL 3.0", scanResult("yynnyn"), "POODLE", false},
		{"export", with("export"), "FREAK", false},
		{"3DES", with("3des"), "SWEET32", false},
		{"RC4", with("rc4"), "RC4", false},
		{"null", with("null"), "listens", false},
		{"anonymous", with("anonymous"), "middle", false},
		{"short prime", short, "LOGJAM", false},
		{"SSL not asked", scanResult("yynn??"), "", true},
		{"nothing asked", &tlsprobe.Result{}, "", true},
	}
	for _, tt := range tests {
		open, unknown := knownHoles(tt.r)
		if got := strings.Join(open, ", "); (got == "") != (tt.open == "") || !strings.Contains(got, tt.open) || (unknown != "") != tt.unknown {
			t.Errorf("%s: %q, unknown %q", tt.name, got, unknown)
		}
	}
}

// Nothing that a scan did not see is green or red, for any of its checks.
func TestUnseenScanIsUnknown(t *testing.T) {
	empty := &tlsprobe.Result{}
	v := verdict{about: "is right", good: tlsprobe.Yes, code: "right", badCode: "wrong"}
	for _, f := range []finding.Finding{
		judgeVersions(mxServer, empty), judgeOffered(mxServer, "suites", empty.Suites), v.judge(mxServer, empty.Compression),
	} {
		if f.Code != "no-answer" || f.Summary == "" {
			t.Errorf("%q: %s", f.Code, f.Summary)
		}
	}
}

func TestVerdict(t *testing.T) {
	d := verdict{about: "is right", good: tlsprobe.Yes, code: "right", badCode: "wrong"}
	for is, want := range map[tlsprobe.Is]string{tlsprobe.Yes: "right", tlsprobe.No: "wrong", tlsprobe.Unknown: "no-answer", tlsprobe.NotApplicable: ""} {
		if f := d.judge(mxServer, tlsprobe.Answer{Is: is, Why: "because"}); f.Code != want {
			t.Errorf("%s: %q, want %q", is, f.Code, want)
		}
	}
	d.absent = "absent"
	if f := d.judge(mxServer, tlsprobe.Answer{Is: tlsprobe.NotApplicable}); f.Code != "absent" {
		t.Errorf("not applicable: %q", f.Code)
	}
}

func TestGradeKey(t *testing.T) {
	tests := []struct {
		kind, signature string
		bits            int
		self            bool
		want            string
	}{
		{"ECDSA", "ECDSA-SHA256", 256, false, "strong"}, {"ECDSA", "ECDSA-SHA384", 384, false, "strong"},
		{"Ed25519", "Ed25519", 256, false, "strong"}, {"RSA", "SHA256-RSA", 3072, false, "strong"},
		{"RSA", "SHA256-RSA", 4096, false, "strong"}, {"RSA", "SHA256-RSA", 2048, false, "phase-out"},
		{"ECDSA", "ECDSA-SHA256", 224, false, "phase-out"}, {"RSA", "SHA256-RSA", 1024, false, "weak"},
		{"RSA", "SHA1-RSA", 4096, false, "weak"}, {"RSA", "MD5-RSA", 4096, false, "weak"},
		{"RSA", "SHA1-RSA", 4096, true, "strong"}, // nobody looks at its own signature
		{"unknown", "0", 0, false, "weak"},
	}
	for _, tt := range tests {
		c := tlsprobe.Certificate{KeyType: tt.kind, KeyBits: tt.bits, Signature: tt.signature, SelfSigns: tt.self}
		if got, _ := gradeKey(c); got != tt.want {
			t.Errorf("%s %d %s: %s, want %s", tt.kind, tt.bits, tt.signature, got, tt.want)
		}
	}
}

func TestJudgeDates(t *testing.T) {
	now := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	cert := func(begin, end time.Duration) tlsprobe.Certificate {
		return tlsprobe.Certificate{NotBefore: now.Add(begin), NotAfter: now.Add(end)}
	}
	root := cert(-9999*day, -day)
	root.SelfSigns = true
	tests := []struct {
		name  string
		chain []tlsprobe.Certificate
		want  string
	}{
		{"months left", []tlsprobe.Certificate{cert(-day, 90*day)}, "valid"},
		{"fourteen days left", []tlsprobe.Certificate{cert(-day, 14*day)}, "valid"},
		{"a little less", []tlsprobe.Certificate{cert(-day, 14*day-time.Second)}, "soon"},
		{"over", []tlsprobe.Certificate{cert(-90*day, -time.Second)}, "expired"},
		{"tomorrow", []tlsprobe.Certificate{cert(day, 90*day)}, "not-yet"},
		{"the issuer is over", []tlsprobe.Certificate{cert(-day, 90*day), cert(-900*day, -day)}, "expired"},
		{"the issuer ends soon", []tlsprobe.Certificate{cert(-day, 90*day), cert(-900*day, 3*day)}, "soon"},
		{"the root is over", []tlsprobe.Certificate{cert(-day, 90*day), root}, "valid"},
		{"self-signed and over", []tlsprobe.Certificate{root}, "expired"},
	}
	for _, tt := range tests {
		if f := judgeDates(mxServer, tlsprobe.Chain{Certificates: tt.chain}, now); f.Code != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, f.Code, tt.want)
		}
	}
}

func reply(code int) mail.Reply { return mail.Reply{Code: code, Lines: []string{"as the test says"}} }

func TestJudgeOffer(t *testing.T) {
	dialogue := func(kind error) error { return &smtp.DialogueError{During: "STARTTLS", Kind: kind} }
	tests := []struct {
		name       string
		answer     TLSAnswer
		extensions smtp.Extensions
		ended      error
		want       string
	}{
		{"works", TLSAnswer{Offered: true, Reply: reply(220), State: &tls.ConnectionState{}}, nil, nil, "works"},
		{"not offered", TLSAnswer{}, smtp.Extensions{"SIZE": ""}, nil, "not-offered"},
		{"no extensions at all", TLSAnswer{}, nil, nil, "not-offered"},
		{"masked", TLSAnswer{}, smtp.Extensions{"XXXXXXXA": ""}, nil, "stripped"},
		{"refused for now", TLSAnswer{Offered: true, Reply: reply(454), Err: errors.New("refused")}, nil, nil, "refused"},
		{"refused for good", TLSAnswer{Offered: true, Reply: reply(502), Err: errors.New("refused")}, nil, nil, "refused"},
		{"injected", TLSAnswer{Offered: true, Reply: reply(220), Err: dialogue(smtp.ErrInjection)}, nil, nil, "injected"},
		{"garbage", TLSAnswer{Offered: true, Reply: reply(220), Err: dialogue(smtp.ErrTLS)}, nil, nil, "broken"},
		{"hung up", TLSAnswer{Offered: true, Err: dialogue(smtp.ErrClosed)}, nil, nil, "broken"},
		{"silent", TLSAnswer{Offered: true, Reply: reply(220), Err: dialogue(smtp.ErrTimeout)}, nil, nil, "no-answer"},
		{"out of time", TLSAnswer{Offered: true, Err: context.DeadlineExceeded}, nil, nil, "out-of-time"},
		{"lost after TLS", TLSAnswer{Offered: true, Reply: reply(220), State: &tls.ConnectionState{}, Err: dialogue(smtp.ErrClosed)}, nil, nil, "lost-after"},
		{"garbled before it was said", TLSAnswer{}, nil, dialogue(smtp.ErrProtocol), "no-answer"},
	}
	for _, tt := range tests {
		visit := &Visit{StartTLS: tt.answer, Extensions: tt.extensions, Ended: tt.ended, Hello: reply(250)}
		if f := judgeOffer(mxServer, visit); f.Code != tt.want {
			t.Errorf("%s: %s, want %s (%s)", tt.name, f.Code, tt.want, f.Summary)
		}
	}
}

func TestSlowHostIsNotAskedAgainAndAgain(t *testing.T) {
	a := NewAudit(nil, Options{})
	s := &Subject{hosts: &a.hosts}
	scan := s.scan(t.Context(), mxServer, &Visit{Greeting: 8 * time.Second})
	if scan.WhyNot == "" || scan.Connections != 0 {
		t.Errorf("a host that greets after eight seconds was asked: %+v", scan)
	}
}
