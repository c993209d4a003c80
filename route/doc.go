// Package route knows which hosts take mail for a domain, and what TLS each of
// them must show before it may have any.
//
//	x := route.LookupExchangers(ctx, w, domain)
//	switch x.Kind {
//	case route.ByMX, route.Implicit: // x.Hosts, best first
//	case route.Null:                 // the domain takes no mail, and says so
//	case route.Nowhere:              // nothing to deliver to
//	case route.Unknown:              // x.Err: temporary or bogus, try later
//	}
//
// The parts are there for checks, with every problem they see:
//
//	record, problems := route.ParseSTSRecord("v=STSv1; id=20260101")
//	policy, problems := route.ParseSTSPolicy(body)
//	sts := route.LookupSTS(ctx, w, domain)         // record, fetch and policy
//	tls := route.LookupTLSRPT(ctx, w, domain)
//	set := route.LookupTLSA(ctx, w, host)
//	match, err := set.Match(chain, names, w.Now()) // which record, or why none
//
// And the whole is there for delivery:
//
//	plan := route.Requirement(ctx, w, domain)
//	for i, host := range plan.Hosts { need := plan.Needs[i]; need.Level ... }
//
// The zero Level is Undetermined: nothing may be sent on it, and Need.Verify never
// passes it.
//
// Standards: RFC 5321 section 5 (MX), RFC 7505 (null MX), RFC 8461 (MTA-STS),
// RFC 8460 (TLS reports), RFC 6698, 7671 and 7672 (DANE for SMTP).
package route
