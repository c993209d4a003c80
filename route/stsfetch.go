package route

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// fetchTimeout bounds one fetch; RFC 8461 section 3.3 suggests up to a minute.
const fetchTimeout = 20 * time.Second

// FetchReason is a stable word for why a policy could not be had.
type FetchReason string

// All the ways a fetch fails.
const (
	FetchNoHost      FetchReason = "no-host"             // mta-sts.DOMAIN has no address
	FetchDNS         FetchReason = "dns"                 // its address could not be asked
	FetchBogus       FetchReason = "dns-bogus"           // DNSSEC refuses its address
	FetchConnect     FetchReason = "connect"             // nobody answers on port 443
	FetchTimeout     FetchReason = "time-out"            // too slow
	FetchTLS         FetchReason = "tls"                 // no TLS session
	FetchUntrusted   FetchReason = "certificate-chain"   // no chain to a trusted root
	FetchWrongName   FetchReason = "certificate-name"    // for another name
	FetchExpired     FetchReason = "certificate-expired" // or not valid yet
	FetchRedirect    FetchReason = "redirect"            // 3xx, which must not be followed
	FetchStatus      FetchReason = "status"              // another status than 200
	FetchMediaType   FetchReason = "media-type"          // not text/plain
	FetchTooLarge    FetchReason = "too-large"           // more than 64 KB
	FetchInterrupted FetchReason = "interrupted"         // the body broke off
)

// FetchError is why a policy could not be fetched.
type FetchError struct {
	URL    string
	Reason FetchReason
	Detail string // the status, the redirect's target, the media type
	Err    error  // the cause below, when there is one
}

// Error says what was fetched and why it failed.
func (e *FetchError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("fetch %s: %s: %s", e.URL, e.Reason, e.Err)
	case e.Detail != "":
		return fmt.Sprintf("fetch %s: %s (%s)", e.URL, e.Reason, e.Detail)
	}
	return fmt.Sprintf("fetch %s: %s", e.URL, e.Reason)
}

// Unwrap gives the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// STSPolicyURL is where the policy of a domain lies (RFC 8461 section 3.3).
func STSPolicyURL(d mail.Domain) string {
	return "https://mta-sts." + d.String() + "/.well-known/mta-sts.txt"
}

// FetchSTSPolicy fetches the policy file of a domain as RFC 8461 section 3.3 has
// it: HTTPS with a valid certificate, status 200, no redirect, text/plain, at most
// 64 KB. The error is always a *FetchError. The body is not parsed.
func FetchSTSPolicy(ctx context.Context, w *world.World, d mail.Domain) ([]byte, error) {
	url := STSPolicyURL(d)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &FetchError{URL: url, Reason: FetchNoHost, Err: err}
	}
	req.Header.Set("User-Agent", "allgreen")
	req.Header.Set("Accept", "text/plain")
	resp, err := w.HTTPClient(fetchTimeout).Do(req)
	if err != nil {
		return nil, &FetchError{URL: url, Reason: fetchReason(err), Err: err}
	}
	defer resp.Body.Close()
	if e := judgeResponse(resp); e != nil {
		e.URL = url
		return nil, e
	}
	return readPolicy(resp.Body, url)
}

func readPolicy(r io.Reader, url string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxPolicy+1))
	switch {
	case err != nil:
		return nil, &FetchError{URL: url, Reason: FetchInterrupted, Err: err}
	case len(body) > maxPolicy:
		return nil, &FetchError{URL: url, Reason: FetchTooLarge, Detail: "more than 65536 octets"}
	}
	return body, nil
}

func judgeResponse(resp *http.Response) *FetchError {
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return &FetchError{Reason: FetchRedirect, Detail: fmt.Sprintf("%d to %.200q", resp.StatusCode, resp.Header.Get("Location"))}
	case resp.StatusCode != http.StatusOK:
		return &FetchError{Reason: FetchStatus, Detail: fmt.Sprint(resp.StatusCode)}
	}
	media := resp.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(media); err != nil || !strings.EqualFold(kind, "text/plain") {
		return &FetchError{Reason: FetchMediaType, Detail: fmt.Sprintf("%.100q", media)}
	}
	return nil
}

// fetchReason sorts the errors of the HTTP client.
func fetchReason(err error) FetchReason {
	switch {
	case errors.Is(err, world.ErrBogus):
		return FetchBogus
	case errors.Is(err, world.ErrNotFound):
		return FetchNoHost
	case errors.Is(err, world.ErrTemporary):
		return FetchDNS
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateReason(e.Err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return FetchTimeout
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return FetchConnect
	}
	return FetchTLS
}

func certificateReason(err error) FetchReason {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return FetchWrongName
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return FetchExpired
	}
	return FetchUntrusted
}
