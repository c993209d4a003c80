// Package gate answers one question: may this mail leave, for what is known of our own
// addresses and domains?
//
//	g := gate.New(gate.Options{Store: st, Providers: sync.OnceValue(provider.New), Confirm: 3})
//	a := g.Ask(ctx, gate.Mail{Domain: from, Ways: ways, Queued: at})
//	if a.Red != nil { hold, with gate.Why(a.Red, trace) }
//
// It reads what package standing holds and asks nobody: the watch does that. Which
// reds stop mail is data (gate.json): those for which receivers refuse, each with what it
// stops, the domain or the address, and at whom, everybody or some providers by their
// MX hosts. Mail that would be refused there costs reputation with every try; held, it
// costs an hour.
//
// Only a red that so many runs have seen stops anything. What is unknown, yellow or
// on trial does not; nor does a server that never looked; nor a standing that cannot
// be read. Held mail waits for its address: it never moves to another.
//
// What was held says so in words that begin with Mark, so that whoever holds the queue
// finds it again: when the red is gone it goes by itself, and when a person released it
// nothing here holds it again. The table beside remembers who was told of what.
package gate
