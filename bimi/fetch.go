package bimi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

// Limits of one fetch. The size is far above what a logo may have, so that one
// too large can still be told how large it is.
const (
	fetchTimeout = 20 * time.Second
	maxFetch     = 512 << 10
)

// FetchReason is a stable word for why a file could not be had.
type FetchReason string

// The reasons.
const (
	FetchScheme   FetchReason = "scheme"    // not https
	FetchFailed   FetchReason = "fetch"     // no name, no connection, no TLS, no valid certificate: Err says
	FetchRedirect FetchReason = "redirect"  // many receivers follow none
	FetchStatus   FetchReason = "status"    // another than 200
	FetchTooLarge FetchReason = "too-large" // more than half a megabyte
)

// FetchError is why a logo or certificate could not be fetched.
type FetchError struct {
	URL    string
	Reason FetchReason
	Detail string
	Err    error
}

// Error says what was fetched and why it failed.
func (e *FetchError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("fetch %s: %s", e.URL, e.Err)
	}
	return fmt.Sprintf("fetch %s: %s %s", e.URL, e.Reason, e.Detail)
}

// Unwrap gives the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// File is a fetched file.
type File struct {
	Body      []byte
	MediaType string // Content-Type as sent
}

// Fetch fetches a logo or a certificate over HTTPS, status 200, no redirect. The
// error is always a *FetchError.
func Fetch(ctx context.Context, w *world.World, u *url.URL) (File, error) {
	if u == nil || u.Scheme != "https" {
		return File{}, &FetchError{URL: fmt.Sprint(u), Reason: FetchScheme, Detail: "is not https"}
	}
	fail := func(reason FetchReason, detail string, err error) (File, error) {
		return File{}, &FetchError{URL: u.String(), Reason: reason, Detail: detail, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail(FetchFailed, "", err)
	}
	req.Header.Set("User-Agent", "allgreen")
	resp, err := w.HTTPClient(fetchTimeout).Do(req)
	if err != nil {
		return fail(FetchFailed, "", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return fail(FetchRedirect, fmt.Sprintf("%d to %.200q", resp.StatusCode, resp.Header.Get("Location")), nil)
	case resp.StatusCode != http.StatusOK:
		return fail(FetchStatus, fmt.Sprint(resp.StatusCode), nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFetch+1))
	switch {
	case err != nil:
		return fail(FetchFailed, "", err)
	case len(body) > maxFetch:
		return fail(FetchTooLarge, fmt.Sprintf("more than %d octets", maxFetch), nil)
	}
	return File{body, resp.Header.Get("Content-Type")}, nil
}
