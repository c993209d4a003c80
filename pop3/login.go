package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/sasl"
)

// startTLS is STLS (RFC 2595 section 4).
func (s *session) startTLS(ctx context.Context) error {
	switch {
	case s.IsPrivate():
		s.fault("there is TLS already")
	case !s.CanStartTLS():
		s.fault("there is no TLS here")
	default:
		s.user, s.utf8 = "", false // what was said before it may not be the client's
		err := s.StartTLS(ctx, "+OK go ahead\r\n")
		if errors.Is(err, dialogue.ErrAhead) {
			s.refuse("SYS/PERM", "you sent something behind STLS; goodbye")
			s.over = true
			return nil
		}
		return err
	}
	return nil
}

// userName is USER. Before TLS the name is not even looked at.
func (s *session) userName(name string) {
	switch {
	case !s.IsPrivate():
		s.refuse("AUTH", "STLS comes first")
	case name == "":
		s.fault("USER takes a name")
	default:
		s.user = name
		s.ok("and the password?")
	}
}

// pass is PASS. Everything behind the blank is the password, blanks too (RFC 1939
// section 7).
func (s *session) pass(ctx context.Context, password string) error {
	switch {
	case !s.IsPrivate():
		s.refuse("AUTH", "STLS comes first")
		return nil
	case s.user == "":
		s.fault("USER comes first")
		return nil
	}
	user := s.user
	s.user = ""
	return s.entered(ctx, s.Login(ctx, user, password))
}

// auth is AUTH (RFC 5034).
func (s *session) auth(ctx context.Context, args string) error {
	mechanism, initial, hasInitial := strings.Cut(args, " ")
	if mechanism == "" {
		s.fault("AUTH takes a mechanism; CAPA names them")
		return nil
	}
	var first []byte
	var err error
	switch {
	case hasInitial && initial == "=":
		first = []byte{}
	case hasInitial:
		if first, err = sasl.Decode(initial); err != nil {
			s.fault("that is not base64")
			return nil
		}
	}
	return s.entered(ctx, s.Authenticate(ctx, strings.ToUpper(mechanism), first, s.ask))
}

// ask sends a challenge and waits for the response.
func (s *session) ask(challenge []byte) ([]byte, error) {
	s.Print("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
	line, err := s.ReadLine(maxLine)
	if err != nil {
		return nil, err
	}
	if line == "*" {
		return nil, dialogue.ErrCancelled
	}
	return sasl.Decode(line)
}

// entered answers a login, and after one that succeeded looks into the INBOX.
func (s *session) entered(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return s.open(ctx)
	case errors.Is(err, dialogue.ErrPrivacy):
		s.refuse("AUTH", "STLS comes first")
	case errors.Is(err, dialogue.ErrMechanism):
		s.fault(err.Error())
	case errors.Is(err, dialogue.ErrCancelled):
		s.fault("cancelled")
	case errors.Is(err, sasl.ErrEncoding), errors.Is(err, dialogue.ErrTooLong), errors.Is(err, dialogue.ErrBareLine):
		s.fault(err.Error())
	case errors.Is(err, dialogue.ErrWrong):
		s.wrong("wrong user or password")
	case errors.Is(err, account.ErrThrottled):
		s.wrong("too many wrong passwords; wait a while")
	case errors.Is(err, account.ErrCrowded):
		s.refuse("IN-USE", err.Error())
	default:
		s.failed("log in", err)
		return err
	}
	return nil
}

// wrong is a password that was not taken (RFC 3206 section 4).
func (s *session) wrong(text string) {
	s.refuse("AUTH", text)
	s.over = !s.MayErr()
}

func (s *session) open(ctx context.Context) error {
	drop, err := openDrop(ctx, s.store, int64(s.Who().Account))
	if err != nil {
		s.failed("open the INBOX", err)
		s.over = true
		return nil
	}
	s.drop = drop
	n, octets := drop.total()
	s.ok("%d messages, %d octets", n, octets)
	return nil
}
