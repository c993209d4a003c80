package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/sasl"
)

// mechanisms are those of AUTHENTICATE, the best first.
var mechanisms = []string{sasl.SCRAMSHA256Plus, sasl.SCRAMSHA256, sasl.PLAIN}

// capabilities are what holds for this client now.
func (s *session) capabilities() string {
	always := "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE"
	switch {
	case s.who.Kind != account.Nobody:
		return always + s.memberCapabilities()
	case s.tls != nil:
		for _, m := range mechanisms {
			always += " AUTH=" + m
		}
		return always
	case s.server.options.TLS != nil:
		return always + " STARTTLS LOGINDISABLED"
	}
	return always + " LOGINDISABLED" // no password without TLS (RFC 9051 section 11.1)
}

// memberCapabilities are those that only make sense behind a login.
func (s *session) memberCapabilities() string {
	all := " NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE LIST-EXTENDED LIST-STATUS STATUS=SIZE SPECIAL-USE CREATE-SPECIAL-USE" +
		" CONDSTORE QRESYNC UTF8=ACCEPT BINARY MULTIAPPEND ESEARCH SEARCHRES WITHIN SORT SORT=DISPLAY ESORT" +
		" THREAD=ORDEREDSUBJECT THREAD=REFERENCES QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE" +
		" APPENDLIMIT=" + number(s.server.maxMessage())
	if !s.packed {
		all += " COMPRESS=DEFLATE"
	}
	return all
}

func (s *session) capability(context.Context, *syntax.Command) (answer, error) {
	s.untagged("CAPABILITY " + s.capabilities())
	return answer{}, nil
}

func (s *session) noop(context.Context, *syntax.Command) (answer, error) { return answer{}, nil }

func (s *session) logout(context.Context, *syntax.Command) (answer, error) {
	s.untagged("BYE goodbye")
	s.over = true
	return answer{}, nil
}

// id says who we are, and not which version: that would help only who looks for old ones
// (RFC 2971 section 3).
func (s *session) id(_ context.Context, cmd *syntax.Command) (answer, error) {
	if fields := cmd.Args.(*syntax.ID).Fields; len(fields) > 0 {
		var all []string
		for _, f := range fields {
			all = append(all, f[0]+"="+f[1])
		}
		s.server.options.Log.Debug("IMAP client", "as", s.who.Name, "client", s.remote, "id", all)
	}
	s.untagged(`ID ("name" "Allgreen")`)
	return answer{}, nil
}

// enable switches extensions on (RFC 5161). What is not known is passed over.
func (s *session) enable(_ context.Context, cmd *syntax.Command) (answer, error) {
	var enabled []string
	for _, e := range cmd.Args.(*syntax.Enable).Extensions {
		switch e {
		case "CONDSTORE":
			s.condstore = true
		case "QRESYNC": // means CONDSTORE too (RFC 7162 section 3.2.3)
			s.condstore, s.qresync = true, true
		case "UTF8=ACCEPT":
			s.speakUTF8()
		case "IMAP4REV2":
			s.rev2 = true
			s.speakUTF8()
			e = "IMAP4rev2"
		default:
			continue
		}
		enabled = append(enabled, e)
	}
	slices.Sort(enabled)
	s.untagged(strings.TrimSpace("ENABLED " + strings.Join(slices.Compact(enabled), " ")))
	return answer{}, nil
}

func (s *session) speakUTF8() { s.utf8, s.out.UTF8 = true, true }

// namespace tells that there is one, without a prefix (RFC 2342).
func (s *session) namespace(context.Context, *syntax.Command) (answer, error) {
	s.untagged(`NAMESPACE (("" "/")) NIL NIL`)
	return answer{}, nil
}

// startTLS begins TLS (RFC 9051 section 6.2.1). What the client sent behind the command
// was not protected, and would be taken for what it says inside.
func (s *session) startTLS(ctx context.Context, cmd *syntax.Command) (answer, error) {
	switch {
	case s.tls != nil:
		return answer{}, bad("TLS is there already")
	case s.server.options.TLS == nil:
		return answer{}, no("CANNOT", "TLS is not to be had")
	case len(s.in.unused()) > 0:
		s.untagged("BYE something came behind STARTTLS")
		s.over = true
		return answer{}, bad("nothing may come behind STARTTLS")
	}
	s.agree(cmd, answer{text: "go ahead"})
	if err := s.out.Flush(); err != nil {
		return answer{}, errAnswered
	}
	if s.handshake(ctx) != nil {
		s.over = true
	}
	return answer{}, errAnswered
}
