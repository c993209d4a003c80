package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/transfer"
)

// The calls that bring mail in and out. Messages themselves travel as frames (package
// transfer) beside these calls, some in each request.
var (
	MailFolders = Call[AccountName, []transfer.Folder]{"mail.folders"}
	MailPrepare = Call[MailPlace, []string]{"mail.prepare"} // answers which keys are known
)

// MailPlace is a folder of a mailbox, and the source that it is filled from.
type MailPlace struct {
	Address string          `json:"address"`
	Source  string          `json:"source"`
	Folder  transfer.Folder `json:"folder"`
}

const (
	mailPut = callPath + "mail/put"
	mailGet = callPath + "mail/get"
	frames  = "application/vnd.allgreen.mail"
)

func (p people) addMail(mux *http.ServeMux) {
	answer(mux, MailFolders, func(ctx context.Context, in AccountName) ([]transfer.Folder, error) {
		a, err := p.find(ctx, in.Address)
		if err != nil {
			return nil, err
		}
		return transfer.FoldersOf(ctx, p.store, int64(a.ID))
	})
	answer(mux, MailPrepare, func(ctx context.Context, in MailPlace) ([]string, error) {
		place, err := p.place(ctx, in)
		if err != nil {
			return nil, err
		}
		keys, err := transfer.Prepare(ctx, p.store, place)
		return keys, mailError(err)
	})
	mux.HandleFunc("POST "+mailPut, p.putMail)
	mux.HandleFunc("GET "+mailGet, p.getMail)
}

func (p people) place(ctx context.Context, in MailPlace) (transfer.Place, error) {
	a, err := p.find(ctx, in.Address)
	return transfer.Place{Account: int64(a.ID), Source: in.Source, Folder: in.Folder}, err
}

// mailError gives errors of mailboxes their kinds.
func mailError(err error) error {
	switch {
	case errors.Is(err, mailbox.ErrQuota):
		return &Error{Kind: Conflict, Text: err.Error(), Hint: "give the account more room: allgreen account show tells how much it has"}
	case errors.Is(err, mailbox.ErrNoFolder):
		return &Error{Kind: NotFound, Text: err.Error()}
	case errors.Is(err, mailbox.ErrFolderName), errors.Is(err, transfer.ErrFrame):
		return &Error{Kind: Invalid, Text: err.Error()}
	}
	return err
}

// putMail takes frames. What was taken before an error is safe.
func (p people) putMail(w http.ResponseWriter, r *http.Request) {
	var in MailPlace
	err := json.Unmarshal([]byte(r.URL.Query().Get("place")), &in)
	if err != nil {
		writeError(w, &Error{Kind: Invalid, Text: "mail/put: " + err.Error()})
		return
	}
	place, err := p.place(r.Context(), in)
	if err != nil {
		writeError(w, err)
		return
	}
	taken, err := transfer.Import(r.Context(), p.store, p.now(), place, r.Body)
	if err != nil {
		writeError(w, mailError(err))
		return
	}
	writeJSON(w, http.StatusOK, taken)
}

// What one request brings out. It must end before the server loses patience.
const (
	pageMessages = 200
	pageOctets   = 16 << 20
)

func (p people) getMail(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, _ := strconv.ParseUint(q.Get("after"), 10, 32)
	a, err := p.find(r.Context(), q.Get("address"))
	if err != nil {
		writeError(w, err)
		return
	}
	began := begun{ResponseWriter: w}
	page := transfer.Page{Account: int64(a.ID), Folder: q.Get("folder"), After: mailbox.UID(after), Limit: pageMessages, Octets: pageOctets}
	switch err := transfer.Export(r.Context(), p.store, page, &began); {
	case err == nil:
	case began.yes:
		panic(http.ErrAbortHandler) // half a stream must not look whole
	default:
		writeError(w, mailError(err))
	}
}

// begun knows whether anything was written: after that no error can be said.
type begun struct {
	http.ResponseWriter
	yes bool
}

// Write announces frames before the first.
func (b *begun) Write(p []byte) (int, error) {
	if !b.yes {
		b.Header().Set("Content-Type", frames)
		b.yes = true
	}
	return b.ResponseWriter.Write(p)
}

// Mailbox is the mailbox of an account of the running server, as a source and as a
// target of mail.
type Mailbox struct {
	client  *Client
	address string
	place   MailPlace
	held    bytes.Buffer // frames that were not sent yet
	count   int
}

// NewMailbox is that of an address.
func NewMailbox(c *Client, address string) *Mailbox { return &Mailbox{client: c, address: address} }

// What is sent at once, at most, but for one message that is larger.
const (
	sendMessages = 64
	sendOctets   = 4 << 20
)

// Open makes the folder and asks what it has had.
func (m *Mailbox) Open(ctx context.Context, source string, f transfer.Folder) (func(string) bool, error) {
	m.place = MailPlace{Address: m.address, Source: source, Folder: f}
	keys, err := MailPrepare.Do(ctx, m.client, m.place)
	known := make(map[string]bool, len(keys))
	for _, key := range keys {
		known[key] = true
	}
	return func(key string) bool { return known[key] }, err
}

// Put holds a message until there are some, or it is large.
func (m *Mailbox) Put(ctx context.Context, msg transfer.Message) error {
	if msg.Size > sendOctets {
		if err := m.Flush(ctx); err != nil {
			return err
		}
		r, w := io.Pipe()
		written := make(chan struct{})
		go func() {
			defer close(written)
			w.CloseWithError(transfer.WriteFrame(w, msg))
		}()
		err := m.send(ctx, r)
		r.Close()
		<-written // the body is the caller's again
		return err
	}
	if err := transfer.WriteFrame(&m.held, msg); err != nil {
		return err
	}
	if m.count++; m.count < sendMessages && m.held.Len() < sendOctets {
		return nil
	}
	return m.Flush(ctx)
}

// Flush sends what is held; when it returns, the server has it for good.
func (m *Mailbox) Flush(ctx context.Context) error {
	if m.count == 0 {
		return nil
	}
	err := m.send(ctx, bytes.NewReader(m.held.Bytes()))
	m.held.Reset()
	m.count = 0
	return err
}

func (m *Mailbox) send(ctx context.Context, r io.Reader) error {
	place, err := json.Marshal(m.place)
	if err != nil {
		return err
	}
	answer, err := m.client.stream(ctx, http.MethodPost, mailPut+"?place="+url.QueryEscape(string(place)), r)
	if err != nil {
		return err
	}
	return answer.Close()
}

// Name tells it from other sources.
func (m *Mailbox) Name() string { return "allgreen:" + m.address }

// Folders are all of the account.
func (m *Mailbox) Folders(ctx context.Context) ([]transfer.Folder, error) {
	return MailFolders.Do(ctx, m.client, AccountName{m.address})
}

// Read hands over the messages of a folder.
func (m *Mailbox) Read(ctx context.Context, f transfer.Folder, known func(string) bool, take func(transfer.Message) error) error {
	for after := ""; ; {
		q := url.Values{"address": {m.address}, "folder": {f.Name}, "after": {after}}
		answer, err := m.client.stream(ctx, http.MethodGet, mailGet+"?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		before := after
		err = transfer.ReadFrames(answer, func(msg transfer.Message) error {
			_, after, _ = strings.Cut(msg.Key, ".")
			if known(msg.Key) {
				return nil
			}
			return take(msg)
		})
		if closed := answer.Close(); err == nil {
			err = closed
		}
		if err != nil || after == before {
			return err
		}
	}
}

// stream sends a body of any size, and gives the answer's.
func (c *Client) stream(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", frames)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	var e Error
	if json.Unmarshal(text, &e) != nil || e.Text == "" {
		return nil, fmt.Errorf("the server at %s answered %s: it is of another version", c.path, answer.Status)
	}
	return nil, &e
}
