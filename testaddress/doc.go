// Package testaddress owns the addresses that exist only to have mail judged: which are
// there, what came to them, and what was said of it.
//
//	book := testaddress.New(testaddress.Options{Store: st, Now: w.Now, Domain: domain, Judge: judge})
//	go book.Run(ctx)                  // judges what comes
//	a, err := book.Make(ctx, client)  // test-x3...@example.com, for an hour
//
//	err = book.Find(tx, to)           // is it one, and does it take mail?
//	err = book.Put(tx, to, arrival, header, body) // with the 250, in its transaction
//
//	a, err = book.Look(ctx, a.ID)     // the messages and their verdicts
//
// An address has two secrets. Its local part is known to everybody on the way of a message;
// its ID is known only to who made it, and alone opens the verdicts.
//
// The message is kept until it is judged, and its header and verdict for thirty days. The
// results of SPF, DKIM and DMARC come from the session that took it, so that the verdict is
// about what happened and not about what the DNS says later: they wait in memory with the
// process that took the message. When that process died, another one judges the message
// and asks the DNS again, and the verdict says so.
//
// Nothing is ever sent from here: no bounce, no answer, no forward.
package testaddress
