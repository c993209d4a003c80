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
// Answers are validated here (RFC 4035) whatever the resolver does, so an
// Answer says Secure only when its signatures led to a trust anchor. The AD bit
// of a resolver is believed only when Options declares that resolver trusted.
//
// A world read from a file maps ports and addresses: the port 25 of a lab host is
// a high port on loopback, 2001:db8::7f0a:19 is 127.10.0.25, and the ranges of
// the lab count as public. Callers see none of that.
//
// The zero World reaches nothing: its lookups and dials fail with ErrNoWorld.
package world
