package pop3

import (
	"context"
	"strconv"
	"strings"
)

// command does what a line says. Its error ends the dialogue.
func (s *session) command(ctx context.Context, line string) error {
	verb, args, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	switch verb {
	case "CAPA":
		s.capa()
	case "QUIT":
		s.quit(ctx)
	default:
		if s.drop == nil {
			return s.beforeLogin(ctx, verb, args)
		}
		return s.afterLogin(ctx, verb, args)
	}
	return nil
}

// beforeLogin is the AUTHORIZATION state (RFC 1939 section 4).
func (s *session) beforeLogin(ctx context.Context, verb, args string) error {
	switch verb {
	case "STLS":
		return s.startTLS(ctx)
	case "USER":
		s.userName(args)
	case "PASS":
		return s.pass(ctx, args)
	case "AUTH":
		return s.auth(ctx, args)
	case "UTF8": // RFC 6856 section 2: before the login
		s.utf8 = true
		s.ok("UTF-8 it is")
	case "STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "TOP", "UIDL", "APOP":
		s.fault("log in first")
	default:
		s.fault("there is no such command")
	}
	return nil
}

// afterLogin is the TRANSACTION state (section 5).
func (s *session) afterLogin(ctx context.Context, verb, args string) error {
	switch verb {
	case "STAT":
		n, octets := s.drop.total()
		s.ok("%d %d", n, octets)
	case "NOOP":
		s.ok("nothing done")
	case "RSET":
		s.drop.restore()
		s.ok("nothing is deleted")
	case "LIST":
		s.list(args, func(i int) string { return strconv.FormatInt(s.drop.messages[i].size, 10) })
	case "UIDL":
		s.list(args, s.drop.identifier)
	case "DELE":
		s.dele(args)
	case "RETR":
		return s.retr(ctx, args)
	case "TOP":
		return s.top(ctx, args)
	case "USER", "PASS", "AUTH", "STLS", "UTF8":
		s.fault("you are logged in already")
	default:
		s.fault("there is no such command")
	}
	return nil
}

// capa is CAPA (RFC 2449 section 5). What needs TLS is not announced without.
func (s *session) capa() {
	s.Print("+OK this is what I can\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8 USER\r\n")
	if s.CanStartTLS() {
		s.Print("STLS\r\n")
	}
	if m := s.Mechanisms(); len(m) > 0 {
		s.Print("USER\r\nSASL " + strings.Join(m, " ") + "\r\n")
	}
	s.Print("IMPLEMENTATION Allgreen\r\n.\r\n")
}

// list is LIST and UIDL: of all messages, or of one.
func (s *session) list(args string, what func(int) string) {
	if args != "" {
		if i, ok := s.message(args); ok {
			s.ok("%d %s", i+1, what(i))
		}
		return
	}
	n, octets := s.drop.total()
	s.ok("%d messages, %d octets", n, octets)
	for i := range s.drop.messages {
		if !s.drop.messages[i].deleted {
			s.Printf("%d %s\r\n", i+1, what(i))
		}
	}
	s.Print(".\r\n")
}

// message is the message of a number; otherwise it has answered.
func (s *session) message(arg string) (i int, ok bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(arg), 10, 31)
	switch {
	case err != nil:
		s.fault("a number of a message should stand there")
	case n == 0 || n > uint64(len(s.drop.messages)):
		s.refuse("", "there is no such message")
	case s.drop.messages[n-1].deleted:
		s.refuse("", "that message is deleted")
	default:
		return int(n) - 1, true
	}
	return 0, false
}

// dele marks a message; it goes at QUIT.
func (s *session) dele(args string) {
	if i, ok := s.message(args); ok {
		s.drop.messages[i].deleted = true
		s.ok("message %d goes at the end", i+1)
	}
}

// retr sends a message whole.
func (s *session) retr(ctx context.Context, args string) error {
	i, ok := s.message(args)
	if !ok {
		return nil
	}
	err := s.send(ctx, i, wholeBody)
	if err == nil {
		s.drop.messages[i].fetched = true
	}
	return err
}

// top sends the header and some lines of the body.
func (s *session) top(ctx context.Context, args string) error {
	number, lines, _ := strings.Cut(args, " ")
	n, err := strconv.ParseUint(strings.TrimSpace(lines), 10, 31)
	if err != nil {
		s.fault("TOP takes the number of a message and of lines")
		return nil
	}
	if i, ok := s.message(number); ok {
		return s.send(ctx, i, int(n))
	}
	return nil
}

// quit ends the session; after a login what was deleted goes (RFC 1939 section 6).
func (s *session) quit(ctx context.Context) {
	s.over = true
	if s.drop == nil {
		s.ok("goodbye")
		return
	}
	if err := s.drop.update(ctx, s.store); err != nil {
		s.failed("update the INBOX", err)
		return
	}
	s.ok("goodbye")
}
