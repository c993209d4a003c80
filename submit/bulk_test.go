package submit_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/suppression"
)

// news is a token for bulk mail.
func news() account.Principal {
	return account.Principal{Kind: account.APIToken, Name: "token:news", Owner: 1, Bulk: true, Senders: []account.Sender{{Address: address("anna@example.com")}}}
}

func linked(o *submit.Options) {
	o.Unsubscribe = func(stream string, to mail.Address) string {
		return "https://mx.example.com/u/" + stream + "/" + to.String()
	}
}

func bulkLetter(lines ...string) io.Reader {
	return letter(append(lines, from, anyDate, "", "Hi.")...)
}

func (h *house) suppress(stream, a string) {
	h.t.Helper()
	h.ok(h.store.Write(h.t.Context(), func(tx *store.Tx) error {
		_, err := suppression.Add(tx, suppression.Entry{Stream: stream, Address: address(a), Kind: suppression.Unsubscribed, Since: noon})
		return err
	}))
}

// TestBulkLink offers the link where there is none, signed, and to bulk mail only.
func TestBulkLink(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...), linked)
	const ours = "\r\nList-Unsubscribe: <https://mx.example.com/u/token:news/friend@example.net>\r\n"
	const post = "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	for _, tt := range []struct {
		name string
		who  account.Principal
		body io.Reader
		want []string
	}{
		{"bulk", news(), bulkLetter(), []string{ours, post, ":list-unsubscribe-post:"}},
		{"bulk with a stray Post", news(), bulkLetter("List-Unsubscribe-Post: x=y"), []string{ours, post, "-x=y"}},
		{"bulk with a link of its own", news(), bulkLetter("List-Unsubscribe: <https://crm.example.com/u>"), []string{"<https://crm.example.com/u>", "-/u/token:news", "-" + post}},
		{"a person", h.anna(), bulkLetter(), []string{"-" + ours, "-" + post}},
	} {
		id, err := h.Submit(t.Context(), submit.Submission{Principal: tt.who, From: address("anna@example.com"), To: recipients("friend@example.net"), Body: tt.body})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		text := h.text(h.queued(id)[0].Body)
		signed := strings.ToLower(strings.NewReplacer("\r\n ", "", "\r\n\t", "", " ", "").Replace(text))
		for _, want := range tt.want {
			no, absent := strings.CutPrefix(want, "-")
			if absent && strings.Contains(text, no) || !absent && !strings.Contains(text, want) && !strings.Contains(signed, want) {
				t.Errorf("%s: %q in %s", tt.name, want, text)
			}
		}
	}
}

// TestBulkRules refuses what has several recipients, and one that left the stream.
func TestBulkRules(t *testing.T) {
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) {
		h := newHouse(t, st, linked)
		h.suppress("token:news", "Gone@example.net")
		h.suppress("token:news", "bob@example.com")
		h.suppress("token:shop", "friend@example.net")
		h.suppress("anna@example.com", "gone@example.net") // a person is no stream
		for _, tt := range []struct {
			who  account.Principal
			to   []string
			want string
			is   error
		}{
			{news(), []string{"friend@example.net"}, "", nil},
			{news(), []string{"friend@example.net", "Friend@example.net"}, "", nil},
			{news(), []string{"friend@example.net", "other@example.net"}, "550 5.5.3", submit.ErrSeveral},
			{news(), []string{"gone@example.net"}, "550 5.7.1 gone@example.net gets no mail of token:news: unsubscribed since 2026-11-02", submit.ErrSuppressed},
			{news(), []string{"bob@example.com"}, "550 5.7.1", submit.ErrSuppressed},
			{h.anna(), []string{"gone@example.net", "friend@example.net"}, "", nil},
		} {
			_, err := h.Submit(t.Context(), submit.Submission{Principal: tt.who, From: address("anna@example.com"), To: recipients(tt.to...), Body: bulkLetter()})
			if tt.want == "" {
				if err != nil {
					t.Errorf("%s to %v: %v", tt.who.Name, tt.to, err)
				}
				continue
			}
			refused(t, err, tt.want)
			if !errors.Is(err, tt.is) {
				t.Errorf("%s to %v: %v", tt.who.Name, tt.to, err)
			}
		}
		_, err := h.Submit(t.Context(), submit.Submission{Principal: news(), From: address("anna@example.com"), FromTo: true, Body: bulkLetter("To: a@example.net, b@example.net")})
		refused(t, err, "550 5.5.3")
	})
}

// TestBulkWithoutLink refuses bulk mail where a link would lead nowhere.
func TestBulkWithoutLink(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	_, err := h.Submit(t.Context(), submit.Submission{Principal: news(), From: address("anna@example.com"), To: recipients("friend@example.net"), Body: bulkLetter()})
	refused(t, err, "550 5.7.1 No bulk mail")
}
