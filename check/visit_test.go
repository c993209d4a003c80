package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// script is what a host of a test answers: the greeting under "", a reply for each
// verb, "250 ok" for the others. hangUp and silence are replies too; a server without
// a script refuses the connection.
type script map[string]string

const (
	hangUp    = "hang up"
	silence   = "silence"
	unrouted  = "no route"
	unreached = "no answer"
)

// scripts are the hosts of a test by address. Time passes only in a synctest bubble.
type scripts map[string]script

func (all scripts) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	s, up := all[host]
	switch {
	case !up:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case s[""] == unrouted:
		return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
	case s[""] == unreached:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	here, there := net.Pipe()
	go s.serve(there)
	return here, nil
}

func (all scripts) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.New("no listener here")
}

func (s script) serve(c net.Conn) {
	defer c.Close()
	if !s.reply(c, "", "220 mx.example.com") {
		return
	}
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if line == "MAIL FROM:<>\r\n" && s["MAIL FROM:<>"] != "" {
			verb = "MAIL FROM:<>"
		}
		if !s.reply(c, verb, "250 ok") || verb == "QUIT" {
			return
		}
	}
}

func (s script) reply(c net.Conn, verb, usual string) bool {
	reply, special := s[verb]
	if !special {
		reply = usual
	}
	switch reply {
	case hangUp:
		return false
	case silence:
		_, _ = io.Copy(io.Discard, c)
		return false
	}
	_, err := fmt.Fprint(c, reply+"\r\n")
	return err == nil
}

// noProof is the audit of strangers, with all the time that a host may take.
var noProof = Options{Timeout: time.Minute}

// auditScripts audits example.com in a world of a zone and scripts. The result is
// "check: code/status" of all findings, in the order of the checks, by the check.
func auditScripts(t *testing.T, zone string, fail map[string]error, hosts scripts, o Options) map[string]string {
	t.Helper()
	return auditWithin(t, time.Hour, zone, fail, hosts, o)
}

// auditWithin is auditScripts for somebody who ends the audit after a while.
func auditWithin(t *testing.T, limit time.Duration, zone string, fail map[string]error, hosts scripts, o Options) map[string]string {
	t.Helper()
	said := map[string]string{}
	o.Only = []string{"mx", "smtp", "helo", "relay", "backscatter", "role", "rdns"}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		w := world.None()
		w.Resolver, w.Network = newNames(t, zone, fail), hosts
		w.Map.Public = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
		target := Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}
		for _, f := range NewAudit(w, o).Run(ctx, target, nil).Findings {
			said[f.Check] = strings.TrimSpace(said[f.Check] + " " + f.Code + "/" + f.Status.String())
			if bad := f.Status == finding.Red || f.Status == finding.Yellow; bad && (len(f.Evidence) == 0 || f.Fix == "") {
				t.Errorf("%s %s is incomplete: %+v", f.Check, f.Code, f)
			}
		}
	})
	return said
}

// expect compares "check: words" lines with what was said.
func expect(t *testing.T, said map[string]string, want string) {
	t.Helper()
	for line := range strings.Lines(want) {
		check, words, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if check != "" && said[check] != words {
			t.Errorf("%s says %q, want %q", check, said[check], words)
		}
	}
}

const oneHost = `
example.com. MX 10 mx.example.com.
mx.example.com. A 192.0.2.1
`

// A refusal is the mailbox's only where it says so. Every other one may be ours: we
// may stand on a list, or have been too slow.
func TestWhatAVisitCannotSee(t *testing.T) {
	const blocked = "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.example.net"
	tests := []struct {
		name   string
		script script
		want   string
	}{
		{"refused at RCPT", script{"RCPT": "550 5.1.1 no such user"}, `
			smtp.basics: right/green
			backscatter.unknown-user: refused/green
			mx.accepts: takes/green`},
		{"refused in the words of RFC 5321", script{"RCPT": "550 Requested action not taken: mailbox unavailable"}, `
			backscatter.unknown-user: refused/green`},
		{"every recipient refused in the same words", script{"RCPT": "550 Denied"}, `
			backscatter.unknown-user: refuses-us/unknown
			mx.accepts: refuses-us/unknown`},
		{"no relay", script{"RCPT": "550 5.7.1 Relaying denied"}, `
			relay.plain: refused/green
			backscatter.unknown-user: refused/green
			mx.accepts: not-its-domain/red`},
		{"deferred", script{"RCPT": "450 4.2.0 greylisted"}, `
			backscatter.unknown-user: deferred/unknown
			mx.accepts: deferred/unknown`},
		{"we are listed, said at RCPT", script{"RCPT": blocked}, `
			smtp.basics: right/green
			smtp.null-sender: accepted/green
			relay.plain: refuses-us/unknown
			backscatter.unknown-user: refuses-us/unknown
			mx.accepts: refuses-us/unknown`},
		{"we are listed, said at MAIL", script{"MAIL": blocked, "RCPT": "503 5.5.1 need MAIL"}, `
			smtp.basics: right/green
			smtp.null-sender: refuses-us/unknown
			backscatter.unknown-user: refuses-us/unknown
			mx.accepts: refuses-us/unknown`},
		{"we are listed, said at EHLO", script{"EHLO": blocked, "HELO": blocked}, `
			mx.reachable: answers/green
			smtp.basics: refuses-us/unknown`},
		{"too busy for us", script{"RCPT": "421 4.7.0 too many connections"}, `
			smtp.basics: refuses-us/unknown
			backscatter.unknown-user: refuses-us/unknown`},
		{"the null sender alone is refused", script{"MAIL FROM:<>": "550 5.7.1 empty sender", "RCPT": "550 5.1.1 no such user"}, `
			smtp.basics: right/green
			smtp.null-sender: refused/red
			backscatter.unknown-user: refused/green`},
		{"TLS first", script{"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}, `
			smtp.null-sender: refuses-us/unknown`},
		{"broken off at EHLO", script{"EHLO": hangUp}, `
			mx.reachable: answers/green
			smtp.basics: broken-off/red`},
		{"broken off at RCPT", script{"RCPT": hangUp}, `
			smtp.basics: broken-off/red
			relay.plain: no-answer/unknown
			backscatter.unknown-user: no-answer/unknown
			mx.accepts: no-answer/unknown`},
		{"silent at RCPT", script{"RCPT": silence}, `
			smtp.basics: broken-off/red`},
		{"STARTTLS that goes nowhere", script{"EHLO": "250-mx.example.com\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 not now"}, `
			smtp.auth: no-answer/unknown`},
		{"AUTH in the clear is seen all the same", script{"EHLO": "250-mx.example.com\r\n250-AUTH PLAIN\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 not now"}, `
			smtp.auth: clear/red`},
		{"no STARTTLS", script{}, `
			smtp.auth: none/green`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, auditScripts(t, oneHost, nil, scripts{"192.0.2.1": tt.script}, noProof), tt.want)
		})
	}
}

// Who gives a host less time than audit tools do has not seen that it is dead.
func TestHasteBlamesNobody(t *testing.T) {
	hasty := Options{Timeout: 4 * time.Second}
	for _, verb := range []string{"", "EHLO", "MAIL", "RCPT"} {
		said := auditScripts(t, oneHost, nil, scripts{"192.0.2.1": {verb: silence}}, hasty)
		for check, words := range said {
			if (strings.HasPrefix(check, "mx.reach") || strings.HasPrefix(check, "smtp.") || strings.HasPrefix(check, "backscatter.")) &&
				(strings.Contains(words, "/red") || strings.Contains(words, "/yellow")) {
				t.Errorf("silent at %q: %s says %s", verb, check, words)
			}
		}
	}
	said := auditScripts(t, oneHost, nil, scripts{"192.0.2.1": {"": silence}}, noProof)
	expect(t, said, "mx.reachable: no-greeting/red")
}
