package web

import (
	"bytes"
	"errors"
	netmail "net/mail"
	"testing"

	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/submit"
)

// TryLetter composes a letter, if it is one, and has others read it.
func TryLetter(t *testing.T, text []byte) {
	var s submit.Submission
	d, err := readLetter(text, &s)
	if err != nil {
		return
	}
	var b bytes.Buffer
	if err := message.Compose(&b, d); err != nil {
		if !errors.Is(err, message.ErrDraft) {
			t.Fatal(err)
		}
		return
	}
	var form message.Form
	_, _ = form.Write(b.Bytes())
	if form.BareCR+form.BareLF+form.NUL+form.LongLines > 0 {
		t.Fatalf("%+v\n%q", form, b.Bytes())
	}
	m, err := message.Read(bytes.NewReader(b.Bytes()), message.Limits{})
	if err != nil || len(m.Header.Problems) > 0 {
		t.Fatalf("%v %v\n%q", err, m.Header.Problems, b.Bytes())
	}
	want := 2 // MIME-Version and Content-Type
	for _, n := range []int{len(d.From), len(d.To), len(d.Cc), len(d.ReplyTo)} {
		want += min(n, 1)
	}
	if got := len(m.Header.Fields); got < want || got > want+len(d.Fields)+3 {
		t.Fatalf("%d fields, want about %d\n%q", got, want, b.Bytes())
	}
	if _, err := netmail.ReadMessage(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatalf("%v\n%q", err, b.Bytes())
	}
}
