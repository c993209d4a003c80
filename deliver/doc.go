// Package deliver sends what the queue holds: claim, route, try, settle.
//
//	d := deliver.New(deliver.Options{
//		Store: st, Queue: q, World: w, HELO: id.HELO, Egress: addresses, Reports: reports, Log: log,
//	})
//	err := d.Run(ctx) // until the context ends, then ten seconds at most
//
// # Lanes
//
// Jobs for one destination wait in its lane. A lane has as many connections as the
// destination bears: one more for every round of successes, half as many after a
// 421, a refusal to talk, or silence. When nobody there answers at all, what waits
// in the lane is put off with what happened, and one message tries again later. A
// lane that is full parks its jobs in the queue, so that they stand in nobody's way.
//
// # Routes
//
// MX hosts in their order, equal ones shuffled; every address, IPv4 before IPv6,
// each from our address of that family and with the EHLO name of that address
// (RFC 5321 section 5.1). A null MX, an unknown domain and a domain without hosts
// fail at once. Addresses that cannot be mail servers of the Internet, 127.0.0.1
// say, are no addresses, and hosts that are ourselves are a loop.
//
// TLS is used wherever it is offered. DANE and MTA-STS are enforced; policies are
// kept in the store as long as they last (RFC 8461 section 5.1), and an attacker who
// hides them meanwhile gains nothing; whoever hides one that is not kept yet gains a
// quarter of an hour's delay. That a domain had TLS is remembered: when it
// has none any more, the administrator is told, and the message is tried again for
// half an hour before it goes in the clear. No message fails for that.
//
// # Answers
//
// 4yz is tried again, 5yz fails, each recipient for itself. Failures, delays and,
// when asked for, successes are reported into the mailbox of the message's owner, in
// the transaction that settles the job; nothing is ever sent to a stranger. A message
// whose final dot was sent and not answered is tried again: it may arrive twice, and
// its transcript says so.
//
// A body with octets over 127 goes to a server without 8BITMIME as it is: to convert
// it would break its DKIM signature, to refuse it would lose it, and servers that
// really take only seven bits are a legend. A message that needs SMTPUTF8 fails
// where there is none: its addresses cannot be said otherwise (RFC 6531 section 3.2).
//
// Standards: RFC 5321, 3461 (DSN), 7505 (null MX), 7672 (DANE), 8461 (MTA-STS), 8689
// (REQUIRETLS), 6531 (SMTPUTF8), 6152 (8BITMIME), 2920 (PIPELINING), 9422 (LIMITS).
package deliver
