package web_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/suppression"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// An office is a submitter with a token, and the answers to what is posted.
type office struct {
	t         *testing.T
	store     *store.Store
	queue     *queue.Queue
	submitter *submit.Submitter
	accounts  *account.Directory
	handler   http.Handler
	secret    string
}

var example = mail.MustParseDomain("example.com")

type oneKey struct{ signer *dkim.Signer }

func (k oneKey) Signers(mail.Domain) ([]*dkim.Signer, error) { return []*dkim.Signer{k.signer}, nil }

func openOffice(t *testing.T, limits account.Limits) *office {
	t.Helper()
	o := &office{t: t, store: storetest.Open(t, journal.Schema, account.Schema, mailbox.Schema, queue.Schema, submit.Schema, suppression.Schema)}
	w := &world.World{Network: world.Machine()}
	o.accounts = account.Open(o.store, account.Options{Domains: []mail.Domain{example}, Admin: mail.MustParseAddress("anna@example.com"), World: w,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) }})
	t.Cleanup(o.accounts.Close)
	id, err := o.accounts.Create(t.Context(), account.New{Address: mail.MustParseAddress("anna@example.com")})
	o.ok(err)
	o.secret, err = o.accounts.AddToken(t.Context(), account.TokenInfo{Name: "crm", Owner: id, Limits: limits, Senders: []account.Sender{{Address: mail.MustParseAddress("anna@example.com")}}})
	o.ok(err)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	o.ok(err)
	o.queue = queue.New(o.store, queue.Options{Clock: time.Now})
	o.submitter = submit.New(submit.Options{Store: o.store, Accounts: o.accounts, Keys: oneKey{&dkim.Signer{Domain: example, Selector: "s", Key: key}},
		Accept: accept.New(accept.Options{Store: o.store, World: w}), Queue: o.queue, World: w, Hostname: mail.MustParseDomain("mx.example.com"),
		Unsubscribe: func(string, mail.Address) string { return "https://mx.example.com/unsubscribe/x" }})
	o.handler = web.NewMessages(o.submitter, o.accounts)
	return o
}

func (o *office) ok(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// post gives the status and the answer.
func (o *office) post(kind, query, body string, header ...string) (int, map[string]string) {
	o.t.Helper()
	r := httptest.NewRequest("POST", "/v1/messages"+query, strings.NewReader(body)).WithContext(o.t.Context())
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+o.secret)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	answer := map[string]string{}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		o.t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return w.Code, answer
}

func (o *office) text(id string) (string, queue.Job) {
	o.t.Helper()
	jobs, err := o.queue.Show(o.t.Context(), mail.TraceID(id))
	o.ok(err)
	if len(jobs) == 0 {
		o.t.Fatalf("message %q is not queued", id)
	}
	b, err := o.store.OpenBody(o.t.Context(), jobs[0].Body)
	o.ok(err)
	defer b.Close()
	text, err := io.ReadAll(b)
	o.ok(err)
	return string(text), jobs[0]
}

func TestPostJSON(t *testing.T) {
	o := openOffice(t, account.Limits{})
	status, answer := o.post("application/json", "", `{"from": "Anna Müller <anna@example.com>", "to": ["b@example.net", "C <c@example.net>"], "cc": "d@example.net",
		"bcc": "blind@example.net", "subject": "Grüße", "text": "Hi", "html": "<p>Hi", "headers": {"List-Unsubscribe": "<https://example.com/u>", "X-Note": "ü"},
		"attachments": [{"name": "ä.txt", "type": "text/plain", "content": "SGVsbG8="}]}`)
	if status != http.StatusAccepted || len(answer["id"]) != 20 {
		t.Fatal(status, answer)
	}
	text, job := o.text(answer["id"])
	for _, want := range []string{"From: =?utf-8?q?Anna_M=C3=BCller?= <anna@example.com>\r\n", "To: b@example.net, C <c@example.net>\r\n", "Cc: d@example.net\r\n",
		"List-Unsubscribe: <https://example.com/u>\r\n", "X-Note: =?utf-8?b?w7w=?=\r\n", "multipart/mixed", "multipart/alternative", "SGVsbG8=", "with HTTP\r\n", "DKIM-Signature"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "blind") || len(job.Recipients) != 4 || job.Origin != "token:crm" {
		t.Errorf("job %+v of\n%s", job, text)
	}
}

func TestPostMIME(t *testing.T) {
	o := openOffice(t, account.Limits{})
	raw := "From: anna@example.com\nTo: x@example.net\nBcc: y@example.net\nSubject: x\n\nHi\n"
	for query, recipients := range map[string]int{"": 2, "?to=z@example.net": 1, "?to=z@example.net&header_recipients=true": 3} {
		status, answer := o.post("message/rfc822", query, raw)
		if status != http.StatusAccepted {
			t.Fatal(query, status, answer)
		}
		if text, job := o.text(answer["id"]); len(job.Recipients) != recipients || strings.Contains(text, "Bcc") || !strings.HasSuffix(text, "\r\n\r\nHi\r\n") {
			t.Errorf("%s: %+v\n%s", query, job, text)
		}
	}
}

func TestPostIsRefused(t *testing.T) {
	o := openOffice(t, account.Limits{PerHour: 3, PerDay: 9})
	const good = `{"from": "anna@example.com", "to": "b@example.net", "text": "Hi"}`
	for _, tt := range []struct {
		name, kind, body string
		header           []string
		status           int
		code             string
	}{
		{"no token", "application/json", good, []string{"Authorization", ""}, 401, "unauthorized"},
		{"a wrong token", "application/json", good, []string{"Authorization", "Bearer x"}, 401, "unauthorized"},
		{"no type", "text/plain", good, nil, 415, "invalid"},
		{"no JSON", "application/json", `{`, nil, 400, "invalid"},
		{"two messages", "application/json", good + good, nil, 400, "invalid"},
		{"an unknown key", "application/json", `{"form": "x"}`, nil, 400, "invalid"},
		{"no From", "application/json", `{"to": "b@example.net"}`, nil, 400, "invalid"},
		{"an address that is none", "application/json", `{"from": "anna@example.com", "to": "b"}`, nil, 400, "invalid"},
		{"another From", "application/json", `{"from": "ceo@example.com", "to": "b@example.net"}`, nil, 403, "not-allowed"},
		{"nobody", "application/json", `{"from": "anna@example.com"}`, nil, 422, "no-recipients"},
		{"nobody here", "application/json", `{"from": "anna@example.com", "to": "nobody@example.com"}`, nil, 422, "no-such-recipient"},
		{"a field of ours", "application/json", `{"from": "anna@example.com", "to": "b@example.net", "headers": {"DKIM-Signature": "x"}}`, nil, 400, "invalid"},
		{"a field in a field", "application/json", `{"from": "anna@example.com", "to": "b@example.net", "headers": {"X-A": "b\r\nBcc: c@d"}}`, nil, 400, "invalid"},
		{"a name that is none", "application/json", `{"from": "anna@example.com", "to": "b@example.net", "headers": {"X A": "b"}}`, nil, 400, "invalid"},
		{"an attachment of no type", "application/json", `{"from": "anna@example.com", "to": "b@example.net", "attachments": [{"name": "x", "type": "?", "content": ""}]}`, nil, 400, "invalid"},
		{"a long key", "application/json", good, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "invalid"},
		{"three, which is well", "application/json", `{"from": "anna@example.com", "to": ["b@example.net", "c@example.net", "d@example.net"]}`, nil, 202, ""},
		{"one too many", "application/json", good, nil, 429, "rate-limited"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := o.post(tt.kind, "", tt.body, tt.header...)
			if status != tt.status || answer["code"] != tt.code || (status != 202 && answer["message"] == "") {
				t.Errorf("%d %v, want %d %s", status, answer, tt.status, tt.code)
			}
		})
	}
}

func TestPostIsDoneOnce(t *testing.T) {
	o := openOffice(t, account.Limits{})
	body := `{"from": "anna@example.com", "to": "b@example.net", "text": "Hi"}`
	_, first := o.post("application/json", "", body, "Idempotency-Key", "k")
	status, again := o.post("application/json", "", body, "Idempotency-Key", "k")
	if status != http.StatusAccepted || first["id"] != again["id"] {
		t.Errorf("%v, then %d %v", first, status, again)
	}
	status, other := o.post("application/json", "", strings.Replace(body, "Hi", "Ho", 1), "Idempotency-Key", "k")
	if status != http.StatusConflict || other["code"] != "key-reused" {
		t.Errorf("%d %v", status, other)
	}
}

// TestPostLocally speaks over a unix socket, where the kernel says who it is.
func TestPostLocally(t *testing.T) {
	o := openOffice(t, account.Limits{})
	w := &world.World{Network: world.Machine()}
	path := filepath.Join(t.TempDir(), "submit.sock")
	l, err := w.ListenUnix(t.Context(), path, 0o666)
	o.ok(err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(ctx, []net.Listener{l}, web.NewLocalMessages(o.submitter), time.Second, slog.New(slog.DiscardHandler))
	}()
	raw := "From: root (Cron Daemon)\nTo: root, x@example.net\nSubject: Cron\n\nSomething went wrong\n"
	answer, err := web.Post(t.Context(), web.NewClient(w, path), web.Envelope{HeaderRecipients: true}, strings.NewReader(raw))
	o.ok(err)
	text, job := o.text(string(answer.ID))
	if !strings.Contains(text, "From: Cron Daemon <postmaster@example.com>\r\nTo: postmaster@example.com, x@example.net\r\n") || !strings.HasPrefix(job.Origin, "local:") {
		t.Errorf("%+v\n%s", job, text)
	}
	_, err = web.Post(t.Context(), web.NewClient(w, path), web.Envelope{To: []string{"x@example.net"}}, bytes.NewReader([]byte("From: a@example.net\n\nx\n")))
	if r, ok := err.(*web.Refusal); !ok || r.Code != "not-allowed" {
		t.Errorf("as somebody else: %v", err)
	}
	stop()
	o.ok(<-served)
}

// FuzzLetter: what is taken can be read.
func FuzzLetter(f *testing.F) {
	f.Add(`{"from": "anna@example.com", "to": "b@example.net", "subject": "x", "headers": {"X-A": "b"}}`)
	f.Add(`{"from": "A <a@b>, c@d", "sender": "c@d", "attachments": [{"content": "eA=="}]}`)
	f.Fuzz(func(t *testing.T, text string) { web.TryLetter(t, []byte(text)) })
}

// TestPostBulk tells programs in their own words why bulk mail is refused.
func TestPostBulk(t *testing.T) {
	o := openOffice(t, account.Limits{})
	var err error
	o.secret, err = o.accounts.AddToken(t.Context(), account.TokenInfo{Name: "news", Owner: 1, Bulk: true, Senders: []account.Sender{{Address: mail.MustParseAddress("anna@example.com")}}})
	o.ok(err)
	o.ok(o.store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := suppression.Add(tx, suppression.Entry{Stream: "token:news", Address: mail.MustParseAddress("gone@example.net"), Kind: suppression.Unsubscribed})
		return err
	}))
	for _, tt := range []struct {
		to     string
		status int
		code   string
	}{
		{`["friend@example.net"]`, http.StatusAccepted, ""},
		{`["gone@example.net"]`, http.StatusUnprocessableEntity, "suppressed"},
		{`["friend@example.net", "gone@example.net"]`, http.StatusUnprocessableEntity, "several-recipients"},
	} {
		status, answer := o.post("application/json", "", `{"from": "anna@example.com", "to": `+tt.to+`, "subject": "x", "text": "x"}`)
		if status != tt.status || answer["code"] != tt.code || tt.code != "" && answer["hint"] == "" {
			t.Errorf("%s: %d %v", tt.to, status, answer)
		}
	}
}
