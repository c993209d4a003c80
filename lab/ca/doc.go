// Package ca issues the certificates of the lab: a root that the lab's world
// trusts, an intermediate below it, and leaves of every quality a host can show.
//
//	authority, err := ca.New(time.Now())
//	cert, err := authority.Certificate(ca.Good, "mx.green.example")
//	record := authority.TLSA("mx.green.example") // 3 1 1, RFC 6698
//
// Keys are ECDSA P-256 but where a defect wants RSA. Each name has one key,
// whatever the quality of its certificates, so that a TLSA record stays true when
// only the certificate is bad. Everything is made when first asked for and kept.
package ca
