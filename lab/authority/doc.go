// Package authority is the DNS of the lab: every zone from the root down, the
// name servers that speak for them, and one recursive resolver.
//
//	a, err := authority.Load(time.Now(), text...)
//	resolver := a.Resolver()                    // answers everything, RA
//	server := a.Server(netip.MustParseAddr(ip)) // answers for its own zones, AA
//	reply := server.Answer(ctx, query, false)   // nil: silence
//
// Zones are data. A text is records in master-file format (RFC 1035 section 5);
// an SOA record makes a zone, and every record goes to the deepest zone that
// contains its owner, whichever text it stood in. Delegations, glue and DS records
// follow by themselves, and so do the zones of top-level domains nobody wrote.
//
// What a master file cannot say stands in comments that begin with ";lab":
//
//	;lab sign ZONE [nsec3] [bogus|expired|expiring|wrong-ds|no-ds]
//	;lab fault NAME TYPE servfail|refused|formerr|drop|truncate|slow
//	;lab server HOST ZONE lame|servfail|drop|no-tcp|no-udp|no-edns|recursive|serial=N|mx=HOST
//	;lab delegate ZONE HOST...    the parent names other servers than the zone does
//	;lab forward ZONE IP:PORT     another program has its records: it is asked each time
//	;lab without NAME TYPE        takes away what earlier texts said
//
// A NAME that begins with "*." means the name behind it and all below, TYPE may
// be ANY, and so may ZONE. Signatures are made when first asked for.
//
// It follows RFC 1034 section 4.3.2, RFC 2308 (denial), RFC 4592 (wildcards), RFC
// 4034, 4035 and 5155 (DNSSEC with NSEC and NSEC3), RFC 6891 (EDNS) and RFC 7766
// (TCP). It does not speak zone transfer, DNAME or dynamic update.
package authority
