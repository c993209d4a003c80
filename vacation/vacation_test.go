package vacation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/vacation"
)

var (
	joe  = mail.MustParseAddress("joe@sender.example")
	anna = mail.MustParseAddress("anna@ours.example")
)

func isAnna(a mail.Address) bool { return a == anna }

func TestUnanswerable(t *testing.T) {
	for _, tt := range []struct {
		from, header, why string
	}{
		{"joe@sender.example", "To: anna@ours.example\n", ""},
		{"joe@sender.example", "Cc: Others: x@y.example, Anna <anna@ours.example>;\n", ""},
		{"joe@sender.example", "Resent-To: anna@ours.example\n", ""},
		{"joe@sender.example", "To: else@ours.example\n", "it does not name the user"},
		{"joe@sender.example", "", "it does not name the user"},
		{"", "To: anna@ours.example\n", "it has the null reverse-path"},
		{"anna@ours.example", "To: anna@ours.example\n", "the user sent it"},
		{"MAILER-DAEMON@sender.example", "To: anna@ours.example\n", "its sender is a robot"},
		{"owner-list@sender.example", "To: anna@ours.example\n", "its sender is a robot"},
		{"list-request@sender.example", "To: anna@ours.example\n", "its sender is a robot"},
		{"bounces+anna=ours.example@sender.example", "To: anna@ours.example\n", "its sender is a robot"},
		{"No-Reply@sender.example", "To: anna@ours.example\n", "its sender is a robot"},
		{"owner@sender.example", "To: anna@ours.example\n", ""},
		{"request@sender.example", "To: anna@ours.example\n", ""},
		{"joe@sender.example", "To: anna@ours.example\nAuto-Submitted: auto-replied (vacation)\n", "a machine sent it"},
		{"joe@sender.example", "To: anna@ours.example\nAuto-Submitted: no\n", ""},
		{"joe@sender.example", "To: anna@ours.example\nAuto-Submitted: No; a=b\n", ""},
		{"joe@sender.example", "To: anna@ours.example\nList-Id: <x>\n", "a list sent it"},
		{"joe@sender.example", "To: anna@ours.example\nlist-unsubscribe: <x>\n", "a list sent it"},
		{"joe@sender.example", "To: anna@ours.example\nPrecedence: Bulk\n", "it is bulk mail"},
		{"joe@sender.example", "To: anna@ours.example\nPrecedence: first-class\n", ""},
		{"joe@sender.example", "To: anna@ours.example\nX-Auto-Response-Suppress: DR, OOF\n", "its sender wants no answers of machines"},
		{"joe@sender.example", "To: anna@ours.example\nX-Auto-Response-Suppress: DR, RN\n", ""},
	} {
		from := mail.Address{}
		if tt.from != "" {
			from = mail.MustParseAddress(tt.from)
		}
		if why := vacation.Unanswerable(message.ParseHeader(tt.header), from, isAnna); why != tt.why {
			t.Errorf("from <%s> with %q: %q, want %q", tt.from, tt.header, why, tt.why)
		}
	}
}

// TestSuppressions holds that the data can be used: no pattern is bad, nothing stands
// twice.
func TestSuppressions(t *testing.T) {
	fields, patterns := vacation.Suppressions()
	if len(fields) < 10 || len(patterns) < 10 {
		t.Fatalf("%d fields, %d patterns", len(fields), len(patterns))
	}
	seen := map[string]bool{}
	for _, name := range append(fields, patterns...) {
		if seen[strings.ToLower(name)] {
			t.Errorf("%s stands twice", name)
		}
		seen[strings.ToLower(name)] = true
	}
	for _, p := range patterns {
		if _, err := path.Match(p, "x"); err != nil || p != strings.ToLower(p) || strings.Trim(p, "*+-") == "" {
			t.Errorf("%q is no pattern to use: %v", p, err)
		}
	}
}

func reply() vacation.Reply {
	return vacation.Reply{Account: 1, About: "t1", To: joe, From: anna, FromName: "Änna", Text: "I am away.\nTill Monday.", What: "h", Again: 24 * time.Hour}
}

func TestCompose(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := message.ParseHeader("Message-ID: <m3@sender.example>\nReferences: <m1@x.example> <m2@x.example>\nSubject: =?utf-8?q?K=C3=A4se?=\n")
	r := vacation.Answering(h, reply())
	var b bytes.Buffer
	if err := r.Compose(&b, now); err != nil {
		t.Fatal(err)
	}
	m, err := message.Read(&b, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Auto-Submitted": "auto-replied (vacation)", "In-Reply-To": "<m3@sender.example>",
		"References": "<m1@x.example> <m2@x.example> <m3@sender.example>", "Subject": "Auto: Käse", "To": "joe@sender.example", "From": "Änna <anna@ours.example>",
	} {
		if got := strings.ReplaceAll(m.Header.Text(name), "  ", " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, p := range m.Header.Check() {
		if p.Code != message.Missing || p.Field != "Message-ID" { // submission adds it
			t.Error(p)
		}
	}
	body, _ := io.ReadAll(m.Body)
	if string(body) != "I am away.\r\nTill Monday.\r\n" {
		t.Errorf("%q", body)
	}
}

func TestComposeMIME(t *testing.T) {
	r := reply()
	r.MIME, r.Subject = true, "Away"
	r.Text = "Content-Type: multipart/alternative; boundary=x\nX-Evil: yes\nTo: everybody@else.example\n\n--x\nContent-Type: text/plain\n\nplain\n--x\nContent-Type: text/html\n\n<b>html</b>\n--x--\n"
	var b bytes.Buffer
	if err := r.Compose(&b, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, "X-Evil") || strings.Contains(text, "everybody") || strings.Count(text, "Content-Type: ") != 3 || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") {
		t.Errorf("%s", text)
	}
	m, err := message.Read(&b, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	problems, err := m.Walk(message.Limits{}, func(p *message.Part) error { types = append(types, p.Type); return nil })
	if err != nil || len(problems) > 0 || strings.Join(types, " ") != "multipart/alternative text/plain text/html" {
		t.Errorf("%q, %v, %v", types, problems, err)
	}
}

// house is a store of one engine.
type house struct {
	*testing.T
	st *store.Store
}

func each(t *testing.T, f func(h house)) {
	storetest.Each(t, []store.Schema{vacation.Schema}, func(t *testing.T, st *store.Store) { f(house{t, st}) })
}

func (h house) put(r vacation.Reply) (due bool) {
	h.Helper()
	err := h.st.Write(h.Context(), func(tx *store.Tx) (err error) {
		due, err = vacation.Put(tx, r)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return due
}

// TestOnce: one sender gets one answer; another sender, another answer and another
// account are something else.
func TestOnce(t *testing.T) {
	each(t, func(h house) {
		r := reply()
		if !h.put(r) || h.put(r) {
			h.Error("the first is due, the second is not")
		}
		shouting, other, another, elsewhere := r, r, r, r
		shouting.To = mail.MustParseAddress("JOE@sender.example")
		other.What = "h2"
		another.To = mail.MustParseAddress("jane@sender.example")
		elsewhere.Account = 2
		if h.put(shouting) || !h.put(other) || !h.put(another) || !h.put(elsewhere) {
			h.Error("who is told again")
		}
		// A time that is over: told again. The store's clock is real.
		past := r
		past.What = "past"
		if err := h.st.Write(h.Context(), func(tx *store.Tx) error {
			_, err := vacation.Tell(tx, 1, "joe@sender.example", "past", -time.Second)
			return err
		}); err != nil {
			h.Fatal(err)
		}
		if !h.put(past) || h.put(past) {
			h.Error("the time was over")
		}
		if err := vacation.Sweep(h.Context(), h.st); err != nil {
			h.Fatal(err)
		}
		if h.put(past) {
			h.Error("swept what was not over")
		}
	})
}

// TestRolledBack: what was not committed was never told.
func TestRolledBack(t *testing.T) {
	each(t, func(h house) {
		fails := errors.New("something else failed")
		err := h.st.Write(h.Context(), func(tx *store.Tx) error {
			if due, err := vacation.Put(tx, reply()); err != nil || !due {
				return fmt.Errorf("due %v, %w", due, err)
			}
			return fails
		})
		if !errors.Is(err, fails) || !h.put(reply()) {
			h.Errorf("%v", err)
		}
	})
}

// TestSender: answers are sent, each until it was, with the same key; those that never
// can be do not stop the others.
func TestSender(t *testing.T) {
	each(t, func(h house) {
		for i := range 250 {
			r := reply()
			r.To = mail.MustParseAddress(fmt.Sprintf("joe%d@sender.example", i))
			h.put(r)
		}
		ctx, stop := context.WithTimeout(h.Context(), time.Minute)
		defer stop()
		keys := map[string]string{}
		var order []string
		s := vacation.Sender{Store: h.st, Now: time.Now, Send: func(_ context.Context, r vacation.Reply, key string) error {
			who := r.To.Local
			if had, ok := keys[who]; ok && had != key {
				h.Errorf("%s: keys %s and %s", who, had, key)
			}
			if want := reply(); r.To.Domain != joe.Domain || r.From != anna || r.Text != want.Text || r.Again != want.Again {
				h.Errorf("came out as %+v", r)
			}
			again := keys[who] != ""
			keys[who] = key
			order = append(order, who)
			switch {
			case who == "joe3":
				return vacation.ErrNever
			case who == "joe7" && !again:
				return errors.New("not now")
			case who == "late":
				stop()
			}
			return nil
		}}
		// One that nobody can read stops no other.
		if err := h.st.Write(h.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO vacation_reply (account, made, reply) VALUES (1, $1, '{"To":"nobody"}')`, tx.Now())
			return err
		}); err != nil {
			h.Fatal(err)
		}
		ended := make(chan error, 1)
		r := reply()
		r.To = mail.MustParseAddress("late@sender.example")
		h.put(r)
		go func() { ended <- s.Run(ctx) }()
		if err := <-ended; err != nil {
			h.Fatal(err)
		}
		if len(order) != 251 || len(keys) != 251 {
			h.Fatalf("%d tries for %d senders", len(order), len(keys))
		}
		var left int
		if err := h.st.Read(h.Context(), func(tx *store.Tx) error {
			return tx.Row(`SELECT COUNT(*) FROM vacation_reply`).Scan(&left)
		}); err != nil || left > 2 { // joe7, and the last one where the context was faster
			h.Errorf("%d left, %v", left, err)
		}
	})
}
