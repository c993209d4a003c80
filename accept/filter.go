package accept

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
)

// filtering is one account's script at work on one message.
type filtering struct {
	a      *Acceptor
	p      *plan
	m      *Message
	d      *Delivery
	target account.Target
	now    time.Time

	placed bool // the message is somewhere, by this script
}

// file puts a message where the script of the account wants it, and into the INBOX when
// there is none. A script that fails keeps nothing from anybody: the message goes into
// the INBOX, and its owner is told once.
func (a *Acceptor) file(ctx context.Context, p *plan, m *Message, d *Delivery, target account.Target, now time.Time) error {
	if p.isServed(target.Account) {
		return nil
	}
	p.served = append(p.served, target.Account)
	f := filtering{a: a, p: p, m: m, d: d, target: target, now: now}
	own := active{}
	if a.scripts != nil && !m.Unfiltered {
		var err error
		if own, err = a.scripts.of(ctx, target.Account); err != nil {
			return err
		}
	}
	switch {
	case own.broken != nil:
		f.fail(own, own.broken)
	case own.script == nil:
		f.keep(nil)
	default:
		return f.run(ctx, own)
	}
	return nil
}

// run asks the script and does what it says. What cannot be read now is no fault of
// the script: the client is to try again.
func (f *filtering) run(ctx context.Context, own active) error {
	h, err := f.p.letter.headerOf()
	if err != nil {
		return err
	}
	folders := &folders{ctx: ctx, store: f.a.o.Store, account: int64(f.target.Account)}
	actions, err := own.script.Run(&sieve.Message{
		Header: h, Size: f.m.Spool.Size(), From: f.m.From, To: f.d.To, Now: f.now, Body: f.p.letter.body,
		HasFolder: folders.has, HasUse: folders.hasUse,
	})
	switch {
	case err != nil && store.Temporary(err), ctx.Err() != nil:
		return fmt.Errorf("script of account %d: %w", f.target.Account, errors.Join(err, ctx.Err()))
	case err != nil:
		f.fail(own, err)
		return nil
	}
	return f.do(ctx, own, actions, folders)
}

func (f *filtering) do(ctx context.Context, own active, actions sieve.Actions, folders *folders) error {
	for i := range actions.Files {
		if err := f.put(&actions.Files[i], folders); err != nil {
			return err
		}
	}
	for _, to := range actions.Redirects {
		if err := f.redirect(ctx, own, to); err != nil {
			return err
		}
	}
	switch {
	case f.placed:
	case len(actions.Redirects) > 0: // none of them could be
		f.keep(nil)
	default:
		f.p.decided = true
		f.event(journal.Discarded, f.target.Address, map[string]string{"by": "sieve"})
	}
	if actions.Vacation != nil {
		return f.answer(ctx, actions.Vacation)
	}
	return nil
}

// fail keeps the message, for the script cannot be trusted with it (RFC 5228 section
// 2.10.6).
func (f *filtering) fail(own active, err error) {
	f.a.o.Log.Info("a script failed", "trace", f.m.Trace, "account", f.target.Address, "script", own.name, "error", err)
	f.p.troubles = append(f.p.troubles, trouble{target: f.target, script: own.name, err: err})
	f.keep(nil)
}

// entry is the message in the folder where it goes without a script.
func (f *filtering) entry() mailbox.Delivery {
	return mailbox.Delivery{
		Account: int64(f.target.Account), Folder: f.d.Folder, Detail: f.target.Folder, Size: f.m.Spool.Size(),
		Received: f.m.Received, Flags: f.d.Flags, Trace: f.m.Trace, Structure: f.m.Structure,
	}
}

// keep puts it there, with flags.
func (f *filtering) keep(flags []string) {
	f.add(f.entry(), flags)
}

// put files into the folder that the script names. Junk stays junk where the script
// only keeps it; a folder named is its owner's word.
func (f *filtering) put(file *sieve.File, folders *folders) error {
	if file.Folder == "" {
		f.keep(file.Flags)
		return nil
	}
	e := f.entry()
	e.Detail = ""
	e.Name = file.Folder
	role, used, err := folders.role(file.Use)
	switch {
	case err != nil:
		return err
	case used:
		e.Name, e.Folder = "", role
	case e.Name == "INBOX" && e.Folder != mailbox.Junk:
		e.Name, e.Folder = "", ""
	case file.Create:
		makeIt, err := folders.mayCreate(e.Name)
		if err != nil {
			return err
		}
		if makeIt {
			f.p.create = append(f.p.create, mailbox.Folder{Account: e.Account, Name: e.Name, Subscribed: true})
		}
	}
	f.add(e, file.Flags)
	return nil
}

// add puts an entry on the plan, each folder of an account once.
func (f *filtering) add(e mailbox.Delivery, flags []string) {
	for _, flag := range flags {
		if bit, ok := mailboxFlags[strings.ToLower(flag)]; ok {
			e.Flags |= bit
		} else if !strings.HasPrefix(flag, `\`) {
			e.Keywords = append(e.Keywords, flag)
		}
	}
	f.placed = true
	same := func(o mailbox.Delivery) bool {
		return o.Account == e.Account && o.Name == e.Name && o.Folder == e.Folder && o.Detail == e.Detail
	}
	if i := slices.IndexFunc(f.p.entries, same); i >= 0 {
		f.p.entries[i].Flags |= e.Flags
		f.p.entries[i].Keywords = e.Keywords
		return
	}
	f.p.entries = append(f.p.entries, e)
	var fields map[string]string
	if name := cmp.Or(e.Name, string(e.Folder)); name != "" && name != string(mailbox.Inbox) {
		fields = map[string]string{"folder": name}
	}
	f.event(journal.Delivered, f.target.Address, fields)
}

// mailboxFlags are the bits of the system flags.
var mailboxFlags = map[string]mailbox.Flags{
	`\seen`: mailbox.Seen, `\answered`: mailbox.Answered, `\flagged`: mailbox.Flagged, `\deleted`: mailbox.Deleted, `\draft`: mailbox.Draft,
}

func (f *filtering) event(kind journal.Kind, to mail.Address, fields map[string]string) {
	f.p.events = append(f.p.events, journal.Event{Trace: f.m.Trace, Time: f.now, Kind: kind, From: f.m.From.String(), To: to.String(), Fields: fields})
}

// maxRounds is how often a message may have come through this server before no script
// sends it on any more.
const maxRounds = 4

// redirect passes the message on. Like every forward it leaves in the name of its
// owner, and suspected mail does not leave at all: who passes spam on is a source of
// spam. What leads to somebody here is filed there, by the script there.
func (f *filtering) redirect(ctx context.Context, own active, to mail.Address) error {
	h, err := f.p.letter.headerOf()
	if err != nil {
		return err
	}
	if f.d.Stays || f.d.Folder == mailbox.Junk || rounds(h, f.a.o.Hostname) >= maxRounds {
		f.event(journal.Kept, f.target.Address, map[string]string{"by": "sieve", "not-redirected": to.String()})
		return nil
	}
	var there account.Destination
	err = f.a.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		there, err = f.a.o.Accounts.Resolve(tx, to)
		return err
	})
	switch {
	case errors.Is(err, account.ErrNotLocal):
		f.pass(to)
		return nil
	case errors.Is(err, account.ErrNoMailbox), errors.Is(err, account.ErrDisabled), errors.Is(err, account.ErrExpansion):
		f.p.troubles = append(f.p.troubles, trouble{target: f.target, script: own.name, err: fmt.Errorf("redirect to %s: %w", to, err)})
		return nil
	case err != nil:
		return fmt.Errorf("redirect to %s: %w", to, err)
	}
	return f.handOver(ctx, to, there)
}

// handOver files a message with others of this server. One that comes back to whoever
// is just handing it over stays there.
func (f *filtering) handOver(ctx context.Context, to mail.Address, there account.Destination) error {
	d := *f.d
	d.To, d.Destination = to, there
	f.p.busy = append(f.p.busy, f.target.Account)
	defer func() { f.p.busy = f.p.busy[:len(f.p.busy)-1] }()
	for _, target := range there.Mailboxes {
		if slices.Contains(f.p.busy, target.Account) {
			continue
		}
		f.placed = true
		if err := f.a.file(ctx, f.p, f.m, &d, target, f.now); err != nil {
			return err
		}
	}
	for _, forward := range there.Forwards {
		f.pass(forward.To)
	}
	return nil
}

// pass queues the message for somebody elsewhere.
func (f *filtering) pass(to mail.Address) {
	f.placed = true
	f.p.send(f.m, queue.Message{
		From:   f.a.o.SRS.Rewrite(f.m.From, srs.Owner(f.target.Account), f.target.Address.Domain, f.now),
		Origin: "redirect:" + f.target.Address.String(), Owner: int64(f.target.Account),
		RequireTLS: f.m.Remote.RequireTLS, SMTPUTF8: f.m.Remote.SMTPUTF8, EightBit: f.m.Remote.EightBit,
		Recipients: []queue.Recipient{{To: to, Notify: onFailure(f.m.From)}},
	}, f.now)
}
