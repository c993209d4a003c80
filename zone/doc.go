// Package zone publishes DNS records: it reads what a zone has, plans what to add
// without breaking a domain that lives, shows the difference, writes it, and waits
// until the domain's own name servers show it.
//
//	at, err := zone.Apex(ctx, w, world.NameOf(domain))
//	present, err := provider.Read(ctx, at, zone.Names(wanted))
//	plan := zone.NewPlan(at, wanted, present, nil)
//	for _, step := range plan.Steps {
//		fmt.Println(step.Status, step.Name, step.Type, step.Note)
//	}
//	err = provider.Write(ctx, at, plan.Changes())
//	err = zone.Await(ctx, w, at, plan.Changes())
//
// # A live domain is never broken
//
// A plan adds what is missing. What is there already stays: the MX records of another
// server, a DMARC policy, a DKIM key, a CNAME. The senders of two SPF records are put
// into one, TLSA and CAA records stand beside those that are there. Whoever wants
// more than that names the set to replace. Changes turned round (Undo) bring back what
// was.
//
// Nothing is written over what was not seen: an Update (RFC 2136) carries what was
// read as its condition, and is done as a whole or not at all. The others look once
// more before they write; ErrChanged says that somebody was faster.
//
// # Providers
//
// Update speaks RFC 2136 with TSIG to a name server of one's own. Cloudflare, DeSEC,
// Gandi, Hetzner and Porkbun are those of the companies, over the HTTP client of world:
// sets of records in presentation format, whole and octet by octet, because a DKIM key
// of 2048 bits is a TXT record of two strings.
//
// # Standards
//
// RFC 1035 (presentation format), 2136 (UPDATE), 8945 (TSIG), 2181 section 5 (sets of
// records), 7208 (SPF), 9989 (DMARC), 6376 (DKIM), 8461 (MTA-STS), 8659 (CAA).
package zone
