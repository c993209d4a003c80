// Package spf answers whether a domain lets an address send in its name
// (Sender Policy Framework, RFC 7208).
//
//	e := spf.Evaluate(ctx, w, spf.Request{
//		IP:     netip.MustParseAddr("192.0.2.25"),
//		Sender: mail.MustParseAddress("alice@example.com"),
//		HELO:   "mx.example.com",
//		Now:    w.Now(),
//	})
//	e.Result    // spf.Pass
//	e.Mechanism // "include:_spf.example.net"
//	e.Text()    // every term that was looked at, and what came of it
//
// Evaluate judges the reverse-path, and postmaster at the HELO name when the
// reverse-path is null (section 2.4). EvaluateHELO judges the HELO name. Both
// obey the limits of section 4.6.4: ten terms that look something up, counted
// before they ask; two that find nothing; ten names behind one mx or ptr.
//
// The parts of an evaluation stand open, because a person and the checks want to
// know why:
//
//	record, problems := spf.Parse(text)          // the tree, and every error in it
//	found := spf.Fetch(ctx, w, name)             // what stands at a name, look-alikes too
//	tree := spf.Expand(ctx, w, domain, spf.Bounds{}) // all includes, costs, addresses
//
// Decisions the RFC leaves open: a target name that DNS cannot carry (an
// empty label, one over 63 octets; section 4.8) does not exist, so its
// mechanism does not match. More than ten MX records are a permerror whether or
// not one of the first ten would have matched, so that the result does not
// hang on their order. The first exchanger that matches ends an mx: the others
// are not asked for. Looking up %{p} counts as one term, once.
//
// Standards: RFC 7208; RFC 8616 section 4 (internationalized mail); RFC 7505
// (null MX). Type 99 records are not asked for (section 3.1).
package spf
