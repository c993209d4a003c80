// Package accept answers: what does the 250 promise? One accepted message becomes
// mailbox entries, queued forwards, its body and its lines in the journal, all in
// one transaction of the store. Only when that is durable may anybody say 250;
// nothing can fail afterwards, so nothing ever has to be sent back to a stranger.
//
//	a := accept.New(accept.Options{Store: st, World: w, SRS: identity.SRS()})
//	err := a.Commit(ctx, accept.Message{
//		Trace: trace, Spool: spool, From: from, Received: now,
//		Deliveries: []accept.Delivery{{To: to, Destination: destination}},
//	})
//	reply := accept.Answer(err) // zero for nil: the ordinary positive answer
//
// Commit places and syncs a large body and takes the message apart (package
// message/structure), so that nobody has to read it for a listing. Then it runs the
// transaction: the body is stored once, mailboxes are locked in one order, forwards get
// a reverse-path of ours (package srs) and the owner of the alias, to whom a later
// failure goes. An account that several recipients lead to gets one copy.
//
// A message filed in Junk is not passed on to strangers: where an address only
// forwards, it goes into the Junk folder of the alias's owner.
//
// Everybody who takes responsibility for a message goes through here: receive for
// mail from outside, submit for mail of our own (Remote are its recipients
// elsewhere), deliver for the reports into an owner's mailbox.
//
// Standards: RFC 5321 section 6.1 (responsibility) and 4.5.5 (null reverse-path),
// RFC 3461.
package accept
