// Package mailauth answers of one message: is it from whom it claims?
//
//	v := mailauth.CheckIPRev(ctx, w, ip) // forward-confirmed reverse DNS
//	v.Result, v.Name, v.Reason
//
// The sub-rooms know one method each: spf, dkim, dmarc, arc, authres.
//
// Standards: RFC 8601 (results, and iprev in section 3).
package mailauth
