// Package dkim signs messages and verifies their signatures, and shows why.
//
//	m, err := message.Read(r, message.Limits{})
//	for _, v := range dkim.Verify(ctx, w, m.Header, m.Body, w.Now()) {
//		fmt.Println(v.Result, v.Domain, v.Selector, v.Bits, v.Reason)
//	}
//
// A server that has the body only in pieces writes them to a Verifier; the body
// is canonicalized and hashed once however many signatures there are.
//
//	v := dkim.NewVerifier(header)
//	io.Copy(v, body)
//	results := v.Results(ctx, w, w.Now())
//
// Signing is the same turned round. Several signers share one pass over the body:
//
//	key, err := dkim.ParsePrivateKey(pem)
//	s := &dkim.Signer{Domain: d, Selector: "s2026", Key: key}
//	field, err := s.Sign(header, body, w.Now())     // goes on top of the message
//	record, err := dkim.KeyRecord(key.Public())     // goes to s2026._domainkey.d
//
// Lines may end in CRLF or LF; both are signed and verified as CRLF, for that is
// how they travel. A CR alone is an octet like any other.
//
// The words of the results are those of RFC 8601 section 2.7.1. Pass and fail
// speak of the cryptography: fail means that the message or its signature was
// changed. A signature that breaks the grammar or needs what nobody here knows
// is neutral; one that can never be right (no key, revoked, expired, From not
// signed, rsa-sha1, a key under 1024 bits) is permerror; one whose key could not
// be asked for is temperror; one past the first eight is policy.
//
// Standards: RFC 6376 (DKIM), RFC 8301 (no SHA-1, no short keys), RFC 8463
// (Ed25519), RFC 8616 (internationalized domains), RFC 8601 (result words).
package dkim
