// Package policy answers what to say while the sender is still there. It is a
// chain of stages, one per file, in the order of one slice in chain.go; relay is
// the first line of it, and no setting removes it.
//
//	p, err := policy.New(policy.Options{World: w, Hostname: host, Domains: ours, Resolve: resolve})
//	s := p.Begin(peer)                    // a connection
//	v := p.Ask(ctx, policy.Connect, s)    // only rates may answer this early
//	s.Mail(from, size)                    // a transaction
//	s.Recipient = policy.Recipient{To: to}
//	v = p.Ask(ctx, policy.Rcpt, s)        // what MAIL would have earned is answered here, too
//	s.Header, s.Results = header, results
//	v = p.Ask(ctx, policy.Data, s)
//	p.End(s)
//
// A stage answers for itself where the case is clear: relaying, an unknown mailbox,
// a full one, a loop. Everything else is evidence: a word such as "no-ptr" with what
// was seen. The last stage adds the evidence up by weights.json; no line of code
// knows how much a thing weighs. One piece of evidence seldom refuses anybody.
//
// What holds whatever the weights say:
//
//   - The client decides when it is answered: connection limits at once, everything
//     about MAIL at RCPT, so that the log knows whose mail it was.
//   - A blocklist that is dead, refuses us or lists everybody rejects nobody.
//   - A failed SPF never refuses alone, and neither does DMARC with p=reject (RFC
//     9989 section 7.4): other evidence must stand beside it, otherwise the message
//     goes to Junk. Options.Strict refuses.
//   - Mail to postmaster and abuse is asked for rates, size and loops only; the null
//     reverse-path is never refused as such.
//   - A lookup that failed is never a failed check.
//   - Nobody is called back to verify a sender, and nobody gets a challenge.
//
// Every refusal names where help is, and carries a reason code that the log has.
//
// Standards: RFC 5321, RFC 5782, RFC 7208, RFC 9989, RFC 8601, RFC 6647
// (greylisting), RFC 2142 (role addresses), RFC 2505 (relay).
package policy
