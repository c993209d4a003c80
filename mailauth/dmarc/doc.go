// Package dmarc answers what a domain wants done with mail that only claims to
// come from it, and whether one message really does (RFC 9989).
//
//	d := dmarc.Discover(ctx, w, author)       // the tree walk, every query kept
//	e := dmarc.Evaluate(ctx, w, d, dmarc.Evidence{SPF: spf, DKIM: signatures})
//	e.Result, e.Published, e.Applied, e.Disposition
//
// Four things look alike and are kept apart: the result (did an authenticated
// identifier align with the author's domain?), the policy (what the owner
// published, and what is left of it in test mode), the domain (whose record
// spoke: the author's, the organization's, or the registry's), and the
// disposition (what that policy asks for this one message). What a server finally
// does is a fifth thing and not decided here: RFC 9989 section 7.4 forbids
// refusing on p=reject alone.
//
// A name without a record, a name server that does not answer, and an answer that
// DNSSEC calls forged are different: only the first one means "none".
//
//	record, problems := dmarc.Parse(text)             // with positions, and all that is wrong
//	a := dmarc.AuthorizeReport(ctx, w, domain, uri)   // may reports go to a stranger?
//	l := dmarc.ReadAs7489(ctx, w, d)                  // what a receiver of the old school sees
//
// Where the RFC leaves a choice: tag names are read in any case. A record with a
// repeated tag is no valid record (RFC 6376 section 3.2), and the walk goes on. One
// that is valid but has no usable policy and no address for reports is a permerror,
// not none. The organizational domain of a walk that failed is unknown, so only the
// author's very domain aligns then.
//
// The package knows nothing of SPF and DKIM but a domain and whether it passed.
//
// Standards: RFC 9989 (DMARC; obsoletes 7489 and 9091), RFC 9990 (aggregate
// reports, external destinations), RFC 6376 section 3.2 (tag lists), RFC 3986 and
// 6068 (reporting URIs), RFC 8020 (what NXDOMAIN means).
package dmarc
