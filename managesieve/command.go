package managesieve

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/sasl"
)

// command does what a client says. Its error ends the dialogue.
func (s *session) command(ctx context.Context, words []word) error {
	if len(words) == 0 || words[0].isString {
		s.fault("A command should stand there")
		return nil
	}
	verb, args := strings.ToUpper(words[0].text), words[1:]
	want, known := shapes[verb]
	switch {
	case !known:
		s.fault("There is no such command")
		return nil
	case !want.fits(args):
		s.fault(verb + " takes " + want.String())
		return nil
	case want.login && s.Who().Kind == account.Nobody:
		s.fault("Log in first")
		return nil
	}
	switch verb {
	case "CAPABILITY":
		s.capabilities()
		s.ok("that is all")
	case "NOOP": // section 2.13
		if len(args) == 1 {
			s.answer("OK", "TAG "+quote(args[0].text), "done")
		} else {
			s.ok("done")
		}
	case "LOGOUT":
		s.ok("goodbye")
		s.over = true
	case "UNAUTHENTICATE":
		s.no("", "Connect again to be somebody else")
	case "STARTTLS":
		return s.startTLS(ctx)
	case "AUTHENTICATE":
		return s.authenticate(ctx, args)
	default:
		s.scripts(ctx, verb, args)
	}
	return nil
}

// shape is what a command takes: s for a string, n for a number, ? before what may be
// left out.
type shape struct {
	args  string
	login bool // only after one
}

// shapes are the commands of RFC 5804 section 2.
var shapes = map[string]shape{
	"CAPABILITY": {}, "NOOP": {args: "?s"}, "LOGOUT": {}, "STARTTLS": {}, "AUTHENTICATE": {args: "s?s"}, "UNAUTHENTICATE": {login: true},
	"HAVESPACE": {"sn", true}, "PUTSCRIPT": {"ss", true}, "LISTSCRIPTS": {"", true}, "SETACTIVE": {"s", true},
	"GETSCRIPT": {"s", true}, "DELETESCRIPT": {"s", true}, "RENAMESCRIPT": {"ss", true}, "CHECKSCRIPT": {"s", true},
}

func (w shape) fits(args []word) bool {
	needed, optional, _ := strings.Cut(w.args, "?")
	if len(args) != len(needed) && len(args) != len(needed)+len(optional) {
		return false
	}
	for i, kind := range (needed + optional)[:len(args)] {
		if args[i].isString != (kind == 's') {
			return false
		}
		if _, err := strconv.ParseUint(args[i].text, 10, 32); kind == 'n' && err != nil {
			return false
		}
	}
	return true
}

// String is the shape for people.
func (w shape) String() string {
	if w.args == "" {
		return "nothing"
	}
	return strings.TrimSpace(strings.NewReplacer("s", " a string", "n", " a number", "?", " and perhaps").Replace(w.args))
}

// startTLS is section 2.2; the capabilities come again behind it.
func (s *session) startTLS(ctx context.Context) error {
	switch {
	case s.IsPrivate():
		s.fault("There is TLS already")
	case !s.CanStartTLS():
		s.fault("There is no TLS here")
	default:
		err := s.StartTLS(ctx, "OK \"go ahead\"\r\n")
		if errors.Is(err, dialogue.ErrAhead) {
			s.answer("BYE", "", "You sent something behind STARTTLS")
			s.over = true
			return nil
		}
		if err != nil {
			return err
		}
		s.capabilities()
		s.ok("TLS it is")
	}
	return nil
}

// authenticate is section 2.1.
func (s *session) authenticate(ctx context.Context, args []word) error {
	if s.Who().Kind != account.Nobody {
		s.fault("You are logged in already")
		return nil
	}
	var first []byte
	if len(args) == 2 {
		var err error
		if first, err = decode(args[1].text); err != nil {
			s.fault("That is not base64")
			return nil
		}
		if first == nil {
			first = []byte{}
		}
	}
	err := s.Authenticate(ctx, strings.ToUpper(args[0].text), first, s.ask)
	fault := new(syntaxError)
	switch {
	case err == nil:
		s.ok("welcome")
	case errors.Is(err, dialogue.ErrPrivacy):
		s.no("ENCRYPT-NEEDED", "STARTTLS comes first")
	case errors.Is(err, dialogue.ErrMechanism), errors.Is(err, dialogue.ErrCancelled), errors.Is(err, sasl.ErrEncoding):
		s.fault(err.Error())
	case errors.As(err, &fault):
		s.fault(fault.text)
	case errors.Is(err, dialogue.ErrWrong):
		s.fault("Wrong user or password")
	case errors.Is(err, account.ErrThrottled):
		s.fault("Too many wrong passwords; wait a while")
	case errors.Is(err, account.ErrCrowded):
		s.no("TRYLATER", "The account has too many sessions")
	default:
		s.failed("log in", err)
		return err
	}
	return nil
}
