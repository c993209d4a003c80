// Package authres writes and reads Authentication-Results fields (RFC 8601): what
// a server found out about a message, for the filters and people behind it.
//
//	f := authres.Field{ID: "mx.example.com", Results: []authres.Result{{
//		Method: "spf", Value: "pass",
//		Properties: []authres.Property{{Type: "smtp", Name: "mailfrom", Value: "a@example.net"}},
//	}}}
//	f.String() // mx.example.com; spf=pass smtp.mailfrom=a@example.net
//	f.Folded() // the whole field, name and CRLF, in short lines
//
//	f, err := authres.Parse(value) // what can be read, and what could not
//	f.IsFrom("mx.example.com")     // ours, or forged in our name: section 5
//
// What goes into a field comes from strangers: addresses, domains, texts of
// records. No value can break out of its place: keywords are reduced to keyword
// characters, everything else is quoted or escaped, control characters and line
// ends never pass, and every value is bounded.
//
// Standards: RFC 8601 (the field), RFC 2045 section 5.1 (tokens), RFC 5322 section
// 3.2 (comments, quoted strings, folding), RFC 6532 (UTF-8), RFC 9989 section 9.1
// (policy.dmarc).
package authres
