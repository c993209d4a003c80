package accept_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

var bob = mail.MustParseAddress("bob@ours.example")

// people are anna with account 1 and bob with account 2; gone@ours.example is nobody.
type people struct{}

func (people) Resolve(_ *store.Tx, to mail.Address) (account.Destination, error) {
	if to.Domain != anna.Domain {
		return account.Destination{}, account.ErrNotLocal
	}
	for id, a := range map[account.ID]mail.Address{1: anna, 2: bob} {
		if to == a {
			return account.Destination{Mailboxes: []account.Target{{Account: id, Address: a}}}, nil
		}
	}
	return account.Destination{}, account.ErrNoMailbox
}

func (people) PrincipalOf(_ *store.Tx, id account.ID) (account.Principal, error) {
	a := map[account.ID]mail.Address{1: anna, 2: bob}[id]
	return account.Principal{Kind: account.Login, Name: a.String(), Account: id, Owner: id, Senders: []account.Sender{{Address: a}}}, nil
}

const letter = "Received: from a by mx.ours.example with ESMTP\r\nFrom: joe@sender.example\r\nTo: anna@ours.example\r\nSubject: lunch\r\nMessage-ID: <m1@sender.example>\r\n\r\nHello.\r\n"

// letter is a message of this text to anna.
func (h *house) letter(text string) accept.Message {
	h.Helper()
	spool := h.st.NewSpool()
	h.Cleanup(func() { spool.Close() })
	if _, err := spool.Write([]byte(text)); err != nil {
		h.Fatal(err)
	}
	spool.SetHead([]byte("Head: yes\r\n"))
	return accept.Message{Trace: mail.NewTraceID(now), Spool: spool, From: joe, Received: now, Deliveries: []accept.Delivery{to(anna, 1)}}
}

// script activates one, or with "" none.
func (h *house) script(id int64, text string) {
	h.Helper()
	h.write(func(tx *store.Tx) error {
		if text == "" {
			return mailbox.ActivateScript(tx, id, "")
		}
		return errors.Join(mailbox.PutScript(tx, id, "it", text), mailbox.ActivateScript(tx, id, "it"))
	})
}

// all is where everything is: "1:INBOX=2 1:Lists=1 -> away@else.example".
func (h *house) all() string {
	h.Helper()
	var words []string
	if err := h.st.Read(h.Context(), func(tx *store.Tx) error {
		words = nil
		for id := int64(1); id <= 2; id++ {
			folders, err := mailbox.Folders(tx, id)
			if err != nil {
				return err
			}
			for _, f := range folders {
				if f.Messages > 0 {
					words = append(words, fmt.Sprintf("%d:%s=%d", id, f.Name, f.Messages))
				}
			}
		}
		return nil
	}); err != nil {
		h.Fatal(err)
	}
	for _, j := range h.jobs() {
		for _, r := range j.Recipients {
			words = append(words, "-> "+r.To.String())
		}
	}
	if n := h.count(`SELECT COUNT(*) FROM vacation_reply`); n > 0 {
		words = append(words, fmt.Sprintf("answers=%d", n))
	}
	return strings.Join(words, " ")
}

// lists makes a folder.
func (h *house) lists() {
	h.Helper()
	h.write(func(tx *store.Tx) error {
		_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 1, Name: "Lists"})
		return err
	})
}

// empty makes the house as it was.
func (h *house) empty() {
	h.Helper()
	h.write(func(tx *store.Tx) error {
		for _, table := range []string{"vacation_reply", "vacation_told", "queue_job"} {
			if _, err := tx.Exec(`DELETE FROM ` + table); err != nil {
				return err
			}
		}
		var errs []error
		for id := int64(1); id <= 2; id++ {
			errs = append(errs, mailbox.ActivateScript(tx, id, ""), mailbox.Remove(tx, id), mailbox.Create(tx, id))
		}
		return errors.Join(errs...)
	})
}

func TestScripts(t *testing.T) {
	junk := func(m *accept.Message) { m.Deliveries[0].Folder = mailbox.Junk }
	circling := strings.Repeat("Received: from x by mx.ours.example with ESMTP\r\n", 4) + letter
	var cases []func(house)
	for _, tt := range []struct {
		name, script, want string
		change             func(*accept.Message)
		text               string
		other              string // bob's script
	}{
		{name: "none", want: "1:INBOX=1"},
		{name: "nothing to do", script: `if false { discard; }`, want: "1:INBOX=1"},
		{name: "filed", script: `require "fileinto"; fileinto "Lists";`, want: "1:Lists=1"},
		{name: "filed in another case", script: `require "fileinto"; fileinto "inbox";`, want: "1:INBOX=1"},
		{name: "filed nowhere", script: `require "fileinto"; fileinto "Nowhere";`, want: "1:INBOX=1"},
		{name: "filed and made", script: `require ["fileinto", "mailbox"]; fileinto :create "New/One";`, want: "1:New/One=1"},
		{name: "filed and not made", script: `require ["fileinto", "mailbox"]; fileinto :create "a//b";`, want: "1:INBOX=1"},
		{name: "filed by use", script: `require ["fileinto", "special-use"]; fileinto :specialuse "\\Archive" "Lists";`, want: "1:Archive=1"},
		{name: "filed by a use that is not there", script: `require ["fileinto", "special-use"]; fileinto :specialuse "\\Important" "Lists";`, want: "1:Lists=1"},
		{name: "copied", script: `require ["fileinto", "copy"]; fileinto :copy "Lists";`, want: "1:INBOX=1 1:Lists=1"},
		{name: "kept and filed in one", script: `require "fileinto"; keep; fileinto "INBOX";`, want: "1:INBOX=1"},
		{name: "discarded", script: `discard;`, want: ""},
		{name: "does not exist", script: `require "mailbox"; if not mailboxexists "Nowhere" { discard; }`, want: ""},
		{name: "reads the message", script: `require "body"; if allof (header "head" "yes", header "subject" "lunch", body :contains "hello") { discard; }`, want: ""},
		{name: "reads the envelope", script: `require "envelope"; if allof (envelope "from" "joe@sender.example", envelope "to" "anna@ours.example") { discard; }`, want: ""},
		{name: "redirected", script: `redirect "away@else.example";`, want: "-> away@else.example"},
		{name: "redirected and kept", script: `redirect "away@else.example"; keep;`, want: "1:INBOX=1 -> away@else.example"},
		{name: "redirected here", script: `redirect "bob@ours.example";`, want: "2:INBOX=1"},
		{name: "redirected here, and on", script: `redirect "bob@ours.example";`, other: `redirect "away@else.example";`, want: "-> away@else.example"},
		{name: "redirected here and back", script: `redirect "bob@ours.example";`, other: `redirect "anna@ours.example";`, want: "2:INBOX=1"},
		{name: "redirected to oneself", script: `redirect "anna@ours.example";`, want: "1:INBOX=1"},
		{name: "redirected to nobody", script: `redirect "gone@ours.example";`, want: "1:INBOX=2"}, // and a note
		{name: "redirected in a circle", script: `redirect "away@else.example";`, text: circling, want: "1:INBOX=1"},
		{name: "junk stays junk", script: `keep;`, change: junk, want: "1:Junk=1"},
		{name: "junk stays here", script: `redirect "away@else.example";`, change: junk, want: "1:Junk=1"},
		{name: "junk that somebody files", script: `require "fileinto"; fileinto "INBOX";`, change: junk, want: "1:INBOX=1"},
		{name: "junk that somebody files nowhere", script: `require "fileinto"; fileinto "Nowhere";`, change: junk, want: "1:Junk=1"},
		{name: "answered", script: `require "vacation"; vacation "away";`, want: "1:INBOX=1 answers=1"},
		{name: "answered and discarded", script: `require "vacation"; vacation "away"; discard;`, want: "answers=1"},
		{name: "junk is not answered", script: `require "vacation"; vacation "away";`, change: junk, want: "1:Junk=1"},
		{name: "what is not proved is not answered", script: `require "vacation"; vacation "away";`, change: func(m *accept.Message) { m.Unproven = true }, want: "1:INBOX=1"},
		{name: "lists are not answered", script: `require "vacation"; vacation "away";`, text: "List-Id: x\r\n" + letter, want: "1:INBOX=1"},
		{name: "the null reverse-path is not answered", script: `require "vacation"; vacation "away";`, change: func(m *accept.Message) { m.From = mail.Address{} }, want: "1:INBOX=1"},
		{name: "a note of the server", script: `discard;`, change: func(m *accept.Message) { m.Unfiltered = true }, want: "1:INBOX=1"},
		{name: "fails", script: `require ["variables", "fileinto"]; fileinto "Lists"; redirect "${nothing}";`, want: "1:INBOX=2"},
		{name: "cannot be understood", script: `frobnicate;`, want: "1:INBOX=2"},
		{name: "one copy for two recipients", script: `require "fileinto"; fileinto "Lists";`, change: func(m *accept.Message) { m.Deliveries = append(m.Deliveries, to(list, 1, 2)) }, want: "1:Lists=1 2:INBOX=1"},
	} {
		cases = append(cases, func(shared house) {
			shared.Run(tt.name, func(t *testing.T) {
				h := &shared
				h.T = t
				h.empty()
				h.lists()
				h.script(1, tt.script)
				h.script(2, tt.other)
				m := h.letter(cmp.Or(tt.text, letter))
				if tt.change != nil {
					tt.change(&m)
				}
				if err := h.a.Commit(h.Context(), m); err != nil {
					h.Fatal(err)
				}
				if got := h.all(); got != tt.want {
					h.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
	// One engine shows it all: the SQL is not in this package.
	once(t, func(h *house) {
		for _, c := range cases {
			c(*h)
		}
	})
}

// TestFlagsOfScripts: system flags are bits, others keywords.
func TestFlagsOfScripts(t *testing.T) {
	each(t, func(h *house) {
		h.lists()
		h.script(1, `require ["imap4flags", "fileinto"]; fileinto :flags ["\\Seen", "$Work", "\\Flagged"] "Lists";`)
		if err := h.a.Commit(h.Context(), h.letter(letter)); err != nil {
			h.Fatal(err)
		}
		var got []mailbox.Message
		if err := h.st.Read(h.Context(), func(tx *store.Tx) error {
			f, err := mailbox.FolderNamed(tx, 1, "Lists")
			if err == nil {
				got, err = mailbox.Messages(tx, f.ID, 0, 10)
			}
			return err
		}); err != nil || len(got) != 1 || got[0].Flags != mailbox.Seen|mailbox.Flagged || !slices.Equal(got[0].Keywords, []string{"$Work"}) {
			h.Errorf("%+v, %v", got, err)
		}
	})
}

// TestToldOnce: the owner of a script that fails reads of it once, and of another
// failure again.
func TestToldOnce(t *testing.T) {
	each(t, func(h *house) {
		h.lists()
		h.script(1, `frobnicate;`)
		for range 3 {
			if err := h.a.Commit(h.Context(), h.letter(letter)); err != nil {
				h.Fatal(err)
			}
		}
		if got := h.all(); got != "1:INBOX=4" {
			h.Errorf("three messages and a note: %q", got)
		}
		h.script(1, `redirect "gone@ours.example";`)
		for range 2 {
			if err := h.a.Commit(h.Context(), h.letter(letter)); err != nil {
				h.Fatal(err)
			}
		}
		if got := h.all(); got != "1:INBOX=7" {
			h.Errorf("two more and another note: %q", got)
		}
	})
}

// TestAnsweredOnce: a sender gets one answer, committed with the message or not at all.
func TestAnsweredOnce(t *testing.T) {
	each(t, func(h *house) {
		h.lists()
		h.script(1, `require "vacation"; vacation :subject "Away" "away";`)
		failing := h.letter(letter)
		failing.Also = func(*store.Tx) error { return errors.New("the disk is gone") }
		if err := h.a.Commit(h.Context(), failing); err == nil || h.all() != "" {
			h.Errorf("%v, %q", err, h.all())
		}
		for range 3 {
			if err := h.a.Commit(h.Context(), h.letter(letter)); err != nil {
				h.Fatal(err)
			}
		}
		if got := h.all(); got != "1:INBOX=3 answers=1" {
			h.Errorf("%q", got)
		}
	})
}

// TestScriptChanges: from the commit on, another script counts.
func TestScriptChanges(t *testing.T) {
	once(t, func(h *house) {
		h.lists()
		want := 0
		for i := range 10 {
			h.script(1, []string{"", "discard;", "keep;"}[i%3])
			if i%3 != 1 {
				want++
			}
			if err := h.a.Commit(h.Context(), h.letter(letter)); err != nil {
				h.Fatal(err)
			}
		}
		if got := h.all(); got != fmt.Sprintf("1:INBOX=%d", want) {
			h.Errorf("%q, want %d", got, want)
		}
	})
}

// TestDiscardedIsSaid: what a script throws away has a line in the journal.
func TestDiscardedIsSaid(t *testing.T) {
	once(t, func(h *house) {
		h.script(1, "discard;")
		m := h.letter(letter)
		if err := h.a.Commit(h.Context(), m); err != nil {
			h.Fatal(err)
		}
		var life []journal.Event
		if err := h.st.Read(h.Context(), func(tx *store.Tx) (err error) {
			life, err = journal.Trace(tx, m.Trace)
			return err
		}); err != nil || len(life) != 1 || life[0].Kind != journal.Discarded {
			h.Errorf("%+v, %v", life, err)
		}
		if n := h.count(`SELECT COUNT(*) FROM store_body`); n != 0 {
			h.Errorf("%d bodies of nobody", n)
		}
	})
}
