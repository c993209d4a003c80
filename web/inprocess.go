package web

import (
	"bytes"
	"io"
	"net/http"
)

// NewClientOf is a client of a handler in this process: calls without a socket. The
// pages use it, so that they can do what a command can and nothing else.
func NewClientOf(h http.Handler) *Client {
	return &Client{path: "this process", http: &http.Client{Transport: inProcess{h}}}
}

// inProcess answers requests by calling the handler.
type inProcess struct{ handler http.Handler }

// RoundTrip runs the handler to its end. The context of the request is the handler's.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &heldAnswer{header: http.Header{}}
	p.handler.ServeHTTP(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer.WriteHeader(http.StatusOK)
	return &http.Response{
		StatusCode: answer.status, Status: http.StatusText(answer.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: r,
	}, nil
}

// heldAnswer is an answer that is kept until it is whole.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header { return a.header }

func (a *heldAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *heldAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
