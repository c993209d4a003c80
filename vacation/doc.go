// Package vacation answers: may this message be answered by a machine, and was its
// sender told already?
//
//	if why := vacation.Unanswerable(header, from, isOwn); why != "" { ... } // a list, a robot, not to us
//	due, err := vacation.Put(tx, reply) // with the message: noted, and waiting to be sent
//
//	sender := vacation.Sender{Store: st, Now: w.Now, Send: send, Log: log}
//	err = sender.Run(ctx) // sends what waits, until the context ends
//
// An answer goes to the reverse-path and nowhere else, from the null reverse-path, to
// one sender once in a time that its writer chose. That a sender was told is committed
// together with the message that is answered, and so is the answer itself: a crash
// neither loses nor doubles it. Send is given a key that is the same for every try.
//
// Who is never answered is data, in suppress.json: lists, bulk mail, robots, senders
// that say so. The rest is asked of whoever knows: what is suspected of being junk or
// forged must not come here.
//
// Standards: RFC 3834 (automatic responses), RFC 5230 (vacation), RFC 6131.
package vacation
