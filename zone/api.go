package zone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// api is a provider's HTTP API with JSON.
type api struct {
	client *http.Client
	base   string // "https://api.example.net/v1"
	header string // of the authorization; "" has none
	secret string
}

// Limits of one call.
const (
	maxAnswer  = 8 << 20
	maxPages   = 100
	maxBusy    = 5 // times that a provider says it is too much
	longestNap = time.Minute
	apiTimeout = time.Minute
)

// apiError is what a provider answers instead of success.
type apiError struct {
	status int
	text   string
}

// Error is the status and what the provider says.
func (e *apiError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.status, e.text) }

// Unwrap sorts the statuses into the errors of the package.
func (e *apiError) Unwrap() error {
	switch e.status {
	case http.StatusNotFound:
		return ErrNoZone
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrRefused
	}
	return nil
}

// isMissing reports whether there is nothing at an address of the API.
func isMissing(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.status == http.StatusNotFound
}

// call sends in as JSON and reads the answer into out; both may be nil. A provider
// that is busy is asked again when it says.
func (a *api) call(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	for busy := 0; ; busy++ {
		header, err := a.try(ctx, method, path, in, out)
		e, ok := errors.AsType[*apiError](err)
		if !ok || e.status != http.StatusTooManyRequests || busy == maxBusy {
			return header, err
		}
		nap := time.NewTimer(retryAfter(header))
		select {
		case <-nap.C:
		case <-ctx.Done():
			nap.Stop()
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		n = 5
	}
	return min(time.Duration(n)*time.Second, longestNap)
}

func (a *api) try(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.header != "" {
		r.Header.Set("Authorization", a.header+" "+a.secret)
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return answer.Header, &apiError{answer.StatusCode, explain(text)}
	}
	if out == nil || len(bytes.TrimSpace(text)) == 0 {
		return answer.Header, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("%s %s: an answer that cannot be read: %w", method, path, err)
	}
	return answer.Header, nil
}

// explain is one line of what a provider says went wrong.
func explain(body []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "?")), " ")
	return text[:min(len(text), 300)]
}
