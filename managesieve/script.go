package managesieve

import (
	"context"
	"errors"
	"strconv"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/store"
)

// scripts are the commands about scripts, all of which need a login.
func (s *session) scripts(ctx context.Context, verb string, args []word) {
	own := int64(s.Who().Account)
	name := ""
	if len(args) > 0 {
		name = args[0].text
	}
	switch verb {
	case "LISTSCRIPTS":
		s.list(ctx, own)
	case "GETSCRIPT":
		s.get(ctx, own, name)
	case "CHECKSCRIPT":
		s.check(name)
	case "PUTSCRIPT":
		s.put(ctx, own, name, args[1].text)
	case "HAVESPACE": // section 2.5
		size, _ := strconv.ParseUint(args[1].text, 10, 32) // the shape holds that it is one
		s.done(s.store.Read(ctx, func(tx *store.Tx) error { return mailbox.ScriptRoom(tx, own, name, int64(size)) }), "there is room")
	case "SETACTIVE": // section 2.8: an empty name makes none active
		s.done(s.write(ctx, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, own, name) }), "it counts from now on")
	case "DELETESCRIPT":
		s.done(s.write(ctx, func(tx *store.Tx) error { return mailbox.RemoveScript(tx, own, name) }), "removed")
	case "RENAMESCRIPT":
		s.done(s.write(ctx, func(tx *store.Tx) error { return mailbox.RenameScript(tx, own, name, args[1].text) }), "renamed")
	}
}

func (s *session) write(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.store.Write(ctx, f)
}

// done answers with what became of it (section 1.3).
func (s *session) done(err error, text string) {
	switch {
	case err == nil:
		s.ok(text)
	case errors.Is(err, mailbox.ErrNoScript):
		s.no("NONEXISTENT", "There is no such script")
	case errors.Is(err, mailbox.ErrScriptExists):
		s.no("ALREADYEXISTS", "There is a script of that name")
	case errors.Is(err, mailbox.ErrScriptActive):
		s.no("ACTIVE", "The script is active")
	case errors.Is(err, mailbox.ErrScriptName):
		s.no("", "That cannot be the name of a script")
	case errors.Is(err, mailbox.ErrScriptRoom):
		s.no("QUOTA", "There is no room for it: "+err.Error())
	default:
		s.failed("scripts", err)
	}
}

// list is section 2.7.
func (s *session) list(ctx context.Context, own int64) {
	var all []mailbox.SieveScript
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = mailbox.Scripts(tx, own)
		return err
	})
	if err == nil {
		for _, one := range all {
			s.Print(quote(one.Name))
			if one.Active {
				s.Print(" ACTIVE")
			}
			s.Print("\r\n")
		}
	}
	s.done(err, "that is all")
}

// get is section 2.9.
func (s *session) get(ctx context.Context, own int64, name string) {
	var one mailbox.SieveScript
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		one, err = mailbox.Script(tx, own, name)
		return err
	})
	if err == nil {
		s.Printf("{%d}\r\n%s\r\n", len(one.Text), one.Text)
	}
	s.done(err, "that is it")
}

// check is section 2.12: nothing is kept.
func (s *session) check(text string) {
	if _, err := sieve.Parse(text, sieve.Limits{Size: mailbox.MaxScriptSize}); err != nil {
		s.no("", err.Error())
		return
	}
	s.ok("it can be understood")
}

// put is section 2.6. What cannot be understood is not kept.
func (s *session) put(ctx context.Context, own int64, name, text string) {
	if _, err := sieve.Parse(text, sieve.Limits{Size: mailbox.MaxScriptSize}); err != nil {
		if errors.Is(err, sieve.ErrTooMuch) && len(text) > mailbox.MaxScriptSize {
			s.no("QUOTA/MAXSIZE", err.Error())
			return
		}
		s.no("", err.Error())
		return
	}
	s.done(s.write(ctx, func(tx *store.Tx) error { return mailbox.PutScript(tx, own, name, text) }), "kept")
}
