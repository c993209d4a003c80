// Package mailauth answers of one message: is it from whom it claims? It asks the
// address (iprev), the HELO name and the reverse-path (SPF), the signatures (DKIM),
// the author's domain (DMARC) and the chain of those who passed it on (ARC), and
// writes what they said into one Authentication-Results value.
//
//	m, err := message.Read(os.Stdin, message.Limits{})
//	r, err := mailauth.Verify(ctx, w, mailauth.Envelope{
//		IP: ip, HELO: "mail.example.net", ReversePath: from, Receiver: "mx.example.com",
//	}, m)
//	r.DMARC.Result                 // the judgement on the author's domain
//	r.Field().Folded()             // the header field to add
//	json.Marshal(r)                // what `allgreen verify` prints
//
// A server that has the body in pieces, or wants SPF before it, uses a Verifier:
//
//	v := mailauth.Begin(ctx, w, envelope) // at MAIL: asks iprev and SPF in the background
//	iprev, spf := v.Session()             // when somebody wants to know already
//	v.Header(header)                      // at DATA: asks for the DMARC policy in the background
//	io.Copy(v, body)
//	r := v.Results()                      // or v.Close(), when the message is given up
//
// Nothing here decides about a message; a failed lookup is never a failed check,
// and ARC never overrides DMARC.
//
// The sub-rooms know one method each: spf, dkim, dmarc, arc, authres.
//
// Standards: RFC 8601 (results, and iprev in section 3), RFC 7208, RFC 6376,
// RFC 9989, RFC 8617.
package mailauth
