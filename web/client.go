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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://admin"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, c.unanswered(ctx, err)
	case answer.StatusCode == http.StatusOK:
		return text, nil
	}
	var e Error
	if json.Unmarshal(text, &e) != nil || e.Text == "" {
		return nil, fmt.Errorf("the server at %s answered %s: it is of another version", c.path, answer.Status)
	}
	return nil, &e
}

func (c *Client) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w at %s: %w", ErrNoServer, c.path, errors.Unwrap(err))
}
