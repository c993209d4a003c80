package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// ErrNoServer is the error of every call when nobody answers on the socket.
var ErrNoServer = errors.New("no server answers")

// Client makes calls over the local socket of a running server. It keeps no
// connection.
type Client struct {
	path string
	http *http.Client
}

// NewClient is a client of the server whose socket is at this path.
func NewClient(w *world.World, path string) *Client {
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.DialUnix(ctx, path)
		},
	}}}
}

// maxAnswer bounds what a client reads: a million rows are asked for in pages.
const maxAnswer = 256 << 20

func (c *Client) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	status, text, err := c.raw(ctx, path, bytes.NewReader(body))
	if err != nil || status == http.StatusOK {
		return text, err
	}
	var e Error
	if json.Unmarshal(text, &e) != nil || e.Text == "" {
		return nil, fmt.Errorf("the server at %s answered %d: it is of another version", c.path, status)
	}
	return nil, &e
}

// raw posts JSON, and gives the status and text of the answer.
func (c *Client) raw(ctx context.Context, path string, body io.Reader) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://admin"+path, body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, c.unanswered(ctx, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, nil, c.unanswered(ctx, err)
	}
	return answer.StatusCode, text, nil
}

func (c *Client) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w at %s: %w", ErrNoServer, c.path, errors.Unwrap(err))
}

// Envelope is what goes with a message in MIME.
type Envelope struct {
	From             string // "": the default of whoever sends; "<>": nobody
	To               []string
	HeaderRecipients bool   // To, Cc and Bcc of the header count too
	Name             string // for a From that is added
	Notify           string // DSN, as in RFC 3461
	EnvelopeID       string
	Return           string
}

func (e *Envelope) query() string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("from", e.From)
	set("name", e.Name)
	set("notify", e.Notify)
	set("envid", e.EnvelopeID)
	set("ret", e.Return)
	q["to"] = e.To
	if e.HeaderRecipients {
		q.Set("header_recipients", "true")
	}
	return q.Encode()
}

// Post hands in a message over the socket of local users. An error of the server
// is a *Refusal; when nobody answers it is ErrNoServer.
func Post(ctx context.Context, c *Client, e Envelope, raw io.Reader) (Accepted, error) {
	return post(ctx, c.http, "http://local/v1/messages", "", e, raw, c.unanswered)
}

// PostTo hands in a message at a server elsewhere, with an API token.
func PostTo(ctx context.Context, client *http.Client, server, token string, e Envelope, raw io.Reader) (Accepted, error) {
	return post(ctx, client, strings.TrimSuffix(server, "/")+"/v1/messages", token, e, raw, func(ctx context.Context, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w at %s: %w", ErrNoServer, server, errors.Unwrap(err))
	})
}

func post(ctx context.Context, client *http.Client, address, token string, e Envelope, raw io.Reader, unanswered func(context.Context, error) error) (Accepted, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"?"+e.query(), raw)
	if err != nil {
		return Accepted{}, err
	}
	request.Header.Set("Content-Type", rfc822)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return Accepted{}, unanswered(ctx, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return Accepted{}, unanswered(ctx, err)
	}
	var taken Accepted
	var refused Refusal
	switch {
	case answer.StatusCode == http.StatusAccepted && json.Unmarshal(text, &taken) == nil:
		return taken, nil
	case json.Unmarshal(text, &refused) == nil && refused.Message != "":
		refused.Status = answer.StatusCode
		return Accepted{}, &refused
	}
	return Accepted{}, fmt.Errorf("the server answered %s, which is not what a mail server says", answer.Status)
}
