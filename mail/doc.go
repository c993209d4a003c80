// Package mail is the vocabulary of Internet mail: domains, addresses,
// replies with their enhanced codes, and the id that names a message through its
// life here. Everything else in the house is written in these words.
//
//	d, err := mail.ParseDomain("bücher.example")   // xn--bcher-kva.example
//	a, err := mail.ParseAddress(`"odd local"@[192.0.2.1]`)
//	r, err := mail.ParseReply([]string{"550-5.1.1 no such", "550 5.1.1 user"})
//
// The types are values: comparable, usable as map keys, and never half valid.
// What was parsed is normal; what is the zero value is absent (IsZero).
//
// Standards: RFC 5321 (addresses, replies), RFC 5890 to 5895 and UTS 46
// (internationalized domains), RFC 6531 and 6532 (SMTPUTF8), RFC 3463 and 5248
// (enhanced status codes). The package does no I/O and imports nothing of ours.
package mail
