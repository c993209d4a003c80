package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/world"
)

// Bounds of one request. JSON is held in memory while it is read; who sends more
// sends MIME, which is a stream.
const (
	maxJSON       = 32 << 20
	maxAtOnce     = 8 // JSON requests in memory
	maxKey        = 255
	idempotency   = "Idempotency-Key"
	rfc822        = "message/rfc822"
	waitRateLimit = 10 * 60 // seconds, as Retry-After
)

// Messages answers POST /v1/messages: a program hands in a message, as JSON (see
// Letter) or as MIME with its envelope in the query. 202 says that the message will
// not be lost.
type Messages struct {
	submitter *submit.Submitter
	who       func(*http.Request) (account.Principal, *Refusal)
	room      chan struct{}
}

// NewMessages is for programs with an API token: Authorization: Bearer SECRET.
func NewMessages(s *submit.Submitter, accounts *account.Directory) *Messages {
	return &Messages{submitter: s, room: make(chan struct{}, maxAtOnce), who: func(r *http.Request) (account.Principal, *Refusal) {
		return bearer(r, accounts)
	}}
}

// NewLocalMessages is for users of this machine, on a unix socket that Serve
// answers: the kernel says who they are. Everybody may open that socket.
func NewLocalMessages(s *submit.Submitter) *Messages {
	return &Messages{submitter: s, room: make(chan struct{}, maxAtOnce), who: func(r *http.Request) (account.Principal, *Refusal) {
		return localUser(r, s)
	}}
}

// Local answers on the socket for users of this machine: they may send, and nothing
// else.
func Local(s *submit.Submitter) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/messages", NewLocalMessages(s))
	return mux
}

// Refusal is an error of the API. Codes never change their meaning.
type Refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error is the message alone.
func (r *Refusal) Error() string { return r.Message }

// Accepted is the answer to a message that was taken.
type Accepted struct {
	ID mail.TraceID `json:"id"` // for: allgreen log trace ID
}

// ServeHTTP takes a message.
func (m *Messages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := m.take(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, http.StatusAccepted, Accepted{id})
}

func refuse(w http.ResponseWriter, err error) {
	r := refusalOf(err)
	switch r.Status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(waitRateLimit))
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="mail"`) // RFC 6750 section 3
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	writeJSON(w, r.Status, r)
}

func (m *Messages) take(w http.ResponseWriter, r *http.Request) (mail.TraceID, error) {
	if r.Method != http.MethodPost {
		return "", &Refusal{http.StatusMethodNotAllowed, "invalid", "messages are posted", ""}
	}
	principal, refused := m.who(r)
	if refused != nil {
		return "", refused
	}
	s := submit.Submission{Principal: principal, Protocol: "HTTP", Client: clientOf(r), Mend: true, Key: r.Header.Get(idempotency)}
	if len(s.Key) > maxKey {
		return "", &Refusal{http.StatusBadRequest, "invalid", idempotency + " is longer than 255 octets", ""}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		return m.takeJSON(w, r, s)
	case err == nil && kind == rfc822:
		return m.takeMIME(r, s)
	}
	return "", &Refusal{http.StatusUnsupportedMediaType, "invalid", "the Content-Type is neither application/json nor message/rfc822", ""}
}

// takeMIME takes a whole message; its envelope stands in the query: from, to
// (repeated), header_recipients (To, Cc and Bcc count too), name.
func (m *Messages) takeMIME(r *http.Request, s submit.Submission) (mail.TraceID, error) {
	q := r.URL.Query()
	if err := fillEnvelope(&s, q); err != nil {
		return "", &Refusal{http.StatusBadRequest, "invalid", err.Error(), "?from=a@example.com&to=b@example.net&to=c@example.net"}
	}
	if !q.Has("from") {
		s.From = submit.DefaultFrom(s.Principal)
	}
	s.FromTo = s.FromTo || len(s.To) == 0
	s.Body = r.Body
	return m.submitter.Submit(r.Context(), s)
}

func fillEnvelope(s *submit.Submission, q url.Values) error {
	var err error
	if from := q.Get("from"); from != "" && from != "<>" {
		if s.From, err = submit.ParseLocal(from); err != nil {
			return err
		}
	}
	for _, to := range q["to"] {
		a, err := submit.ParseLocal(to)
		if err != nil {
			return err
		}
		rcpt := queue.Recipient{To: a}
		if notify := q.Get("notify"); notify != "" {
			rcpt.Notify = strings.Split(strings.ToUpper(notify), ",")
		}
		s.To = append(s.To, rcpt)
	}
	s.FromTo = q.Get("header_recipients") == "true"
	s.FromName, s.EnvelopeID, s.Return = q.Get("name"), q.Get("envid"), strings.ToUpper(q.Get("ret"))
	return nil
}

// takeJSON composes what a Letter says.
func (m *Messages) takeJSON(w http.ResponseWriter, r *http.Request, s submit.Submission) (mail.TraceID, error) {
	select {
	case m.room <- struct{}{}:
		defer func() { <-m.room }()
	case <-r.Context().Done():
		return "", r.Context().Err()
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "", &Refusal{http.StatusRequestEntityTooLarge, "too-large", "the request is larger than 32 MiB", "send large messages as message/rfc822"}
	}
	if err != nil {
		return "", err
	}
	draft, err := readLetter(text, &s)
	if err != nil {
		return "", &Refusal{http.StatusBadRequest, "invalid", err.Error(), ""}
	}
	sum := sha256.Sum256(text)
	s.Digest = hex.EncodeToString(sum[:])
	body, out := io.Pipe()
	composed := make(chan error, 1)
	go func() {
		err := message.Compose(out, draft)
		out.CloseWithError(err)
		composed <- err
	}()
	s.Body = body
	id, err := m.submitter.Submit(r.Context(), s)
	_ = body.Close() // the composer ends when nobody reads any more
	if wrong := <-composed; errors.Is(wrong, message.ErrDraft) {
		return "", &Refusal{http.StatusBadRequest, "invalid", wrong.Error(), ""}
	}
	return id, err
}

func bearer(r *http.Request, accounts *account.Directory) (account.Principal, *Refusal) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return account.Principal{}, &Refusal{http.StatusUnauthorized, "unauthorized", "there is no API token", "Authorization: Bearer SECRET; make one with: allgreen account token add"}
	}
	p, err := accounts.Token(r.Context(), strings.TrimSpace(secret))
	if errors.Is(err, account.ErrCredentials) {
		return p, &Refusal{http.StatusUnauthorized, "unauthorized", "the API token is not known", ""}
	}
	if err != nil {
		return p, refusalOf(err)
	}
	return p, nil
}

type peerKey struct{}

// withPeer lets handlers know who connected to a unix socket.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	peer, err := world.PeerCredentials(conn)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

func localUser(r *http.Request, s *submit.Submitter) (account.Principal, *Refusal) {
	peer, ok := r.Context().Value(peerKey{}).(world.Credentials)
	if !ok {
		return account.Principal{}, &Refusal{http.StatusUnauthorized, "unauthorized", "the system does not say who you are", ""}
	}
	name := "uid" + strconv.Itoa(peer.UID)
	if u, err := user.LookupId(strconv.Itoa(peer.UID)); err == nil {
		name = u.Username
	}
	p, err := s.Local(r.Context(), name, peer.UID == 0 || peer.UID == os.Getuid())
	if err != nil {
		return p, refusalOf(err)
	}
	return p, nil
}

// clientOf is where a request came from; zero for this machine.
func clientOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// refusalOf says an error in the words of the API.
func refusalOf(err error) *Refusal {
	var already *Refusal
	var reply mail.Reply
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, submit.ErrKeyReused):
		return &Refusal{http.StatusConflict, "key-reused", err.Error(), "one key for one message"}
	case !errors.As(err, &reply):
		return &Refusal{http.StatusServiceUnavailable, "temporary", "the message was not taken", "try again later"}
	}
	switch {
	case errors.Is(err, submit.ErrSuppressed):
		return &Refusal{http.StatusUnprocessableEntity, "suppressed", reply.Text(), "take the address off your list"}
	case errors.Is(err, submit.ErrSeveral):
		return &Refusal{http.StatusUnprocessableEntity, "several-recipients", reply.Text(), "hand in one message for each recipient"}
	}
	status, code := http.StatusServiceUnavailable, "temporary"
	for _, row := range codes {
		if row.enhanced == reply.Enhanced {
			status, code = row.status, row.code
		}
	}
	if status == http.StatusServiceUnavailable && reply.IsPermanent() {
		status, code = http.StatusUnprocessableEntity, "refused"
	}
	return &Refusal{Status: status, Code: code, Message: reply.Text()}
}

// codes are the refusals of submit for programs.
var codes = []struct {
	enhanced mail.EnhancedCode
	status   int
	code     string
}{
	{mail.EnhancedCode{Class: 4, Subject: 7, Detail: 28}, http.StatusTooManyRequests, "rate-limited"},
	{mail.EnhancedCode{Class: 4, Subject: 7, Detail: 1}, http.StatusForbidden, "on-hold"},
	{mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, http.StatusForbidden, "not-allowed"},
	{mail.EnhancedCode{Class: 5, Subject: 1, Detail: 8}, http.StatusUnprocessableEntity, "no-such-sender"},
	{mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}, http.StatusUnprocessableEntity, "no-such-recipient"},
	{mail.EnhancedCode{Class: 5, Subject: 6, Detail: 0}, http.StatusUnprocessableEntity, "bad-message"},
	{mail.EnhancedCode{Class: 5, Subject: 5, Detail: 1}, http.StatusUnprocessableEntity, "no-recipients"},
	{mail.EnhancedCode{Class: 5, Subject: 3, Detail: 4}, http.StatusRequestEntityTooLarge, "too-large"},
}
