// Package world is the only door to the outside: names, connections and time.
// Nothing else in the house resolves, dials, listens or asks for the time.
//
//	w, err := world.System(world.Options{})           // this machine's Internet
//	w, err := world.Open("lab.json", world.Options{}) // an Internet from a file
//	w := world.None()                                 // reaches nothing
//
//	answer, err := w.Lookup(ctx, world.NameOf(domain), dns.TypeMX)
//	switch {
//	case errors.Is(err, world.ErrNoName):    // NXDOMAIN: the name does not exist
//	case errors.Is(err, world.ErrNotFound):  // NXDOMAIN, or no record of this type
//	case errors.Is(err, world.ErrBogus):     // DNSSEC says: forged or broken
//	case errors.Is(err, world.ErrTemporary): // nobody could say; try later
//	}
//
// Those errors are different things and stay different: a name that does not
// exist is knowledge, a time-out is not.
//
// # Lookups
//
// A lookup asks the resolvers over UDP, and over TCP what does not fit; the next
// one joins in when one is silent for 1.5 seconds or refuses. CNAMEs are followed.
// Answers and absences are remembered for their TTL, failures for five seconds,
// within fixed bounds. Who asks what is being asked already waits for that one
// lookup; who leaves disturbs nobody, and the last to leave ends it. Answers are
// shared: they are read and not changed. Stats counts what went out.
//
// Exchange is the other way to ask: one question to one name server, its message
// back as it came, never remembered.
//
// # Security
//
// Answers are validated here whatever the resolver does, so an Answer says Secure
// only when its signatures led to a trust anchor, Insecure only when it is proven
// that they cannot, and the rest is Indeterminate with a Note. The weakest link of
// a chain of CNAMEs decides. Chain shows the zones on the way and when their
// signatures end. The AD bit of a resolver is believed only when Options declares
// that resolver trusted.
//
// A resolver that strips signatures from everything looks like an attacker who
// does. One that gives none even for the trust anchor itself is asked last, and
// what it says is Indeterminate rather than bogus. So whoever needs proof, as DANE
// does, asks for Secure; an absence of ErrBogus proves nothing.
//
// The work that a hostile zone can cause has bounds: signatures tried, keys of one
// tag, NSEC3 iterations and records, links of a chain.
//
// # Servers
//
// ListenOn opens what a line of a configuration asks for, unix sockets included.
// ServiceOf is the service manager: the sockets that it passed, and where to tell
// it that the server is ready (the protocol of systemd, without its library).
//
// # Made worlds
//
// A world read from a file maps ports and addresses: the port 25 of a lab host is
// a high port on loopback, 2001:db8::7f0a:19 is 127.10.0.25, and the ranges of
// the lab count as public. Callers see none of that.
//
// The resolver of a world uses the clock, network and map of the World that Open,
// System or File.World returned, also for copies of it.
//
// The zero World reaches nothing: its lookups and dials fail with ErrNoWorld.
//
// # Standards
//
// RFC 1034, 1035, 2181, 2308 (negative answers), 4343 (case), 5452 (answers that
// can be trusted to be answers), 6672 (DNAME), 6891 (EDNS), 7766 (TCP), 8914
// (extended errors), 9520 (failures remembered). DNSSEC: RFC 4033 to 4035, 4509,
// 5155 and 9276 (NSEC3), 5702, 6605, 6840, 8080, 8624, 9824 (compact denial).
// Addresses: RFC 6890.
package world
