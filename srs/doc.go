// Package srs writes the reverse-path of a forwarded message so that SPF passes
// for the forwarder, and knows its own addresses again when something comes back
// to one (the Sender Rewriting Scheme).
//
//	back := key.Rewrite(from, srs.Owner(7), ours, w.Now()) // SRS0=...=example.net=joe@ours
//	ret, err := key.Reverse(back, w.Now())
//	switch {
//	case errors.Is(err, srs.ErrNone):     // an ordinary address
//	case errors.Is(err, srs.ErrUnsigned): // somebody made it up: refuse it
//	case errors.Is(err, srs.ErrExpired):  // ours once: refuse it
//	default:                              // ret.Owner gets what came back
//	}
//
// An address has the shape that other servers know: SRS0=hash=day=domain=local, and
// SRS1=hash=domain==rest for a path that another forwarder has rewritten before, so
// that a path never grows from hop to hop. The hash field is opaque to everybody
// else, so that it also carries the account that answers for the forward. What
// comes back is delivered to that owner and never passed on: a bounce that the
// original sender would get from us would be mail to a stranger.
//
// A local part has at most 64 octets (RFC 5321 section 4.5.3.1.1). Where the
// original does not fit, its local part and then its domain are left out: the
// address still works, only Original is not known.
//
// There is no RFC. The shape is that of "The Sender Rewriting Scheme" (Shevek,
// 2004); the hash here is HMAC-SHA-256 (RFC 2104) cut to 40 bits.
package srs
