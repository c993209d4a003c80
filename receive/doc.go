// Package receive takes mail in: on port 25 from strangers, and by LMTP from a server
// of ours that stands in front. It asks policy at every step, spools the body while
// the signatures are hashed, and says 250 when one transaction has made everything
// durable (package accept).
//
//	r, err := receive.New(receive.Options{Store: st, World: w, Accounts: accounts,
//		Accept: acceptor, Hostname: host, Domains: ours})
//	server := smtp.NewServer(smtp.ServerOptions{Name: host, TLS: cert, Open: r.Open})
//	front := smtp.NewServer(smtp.ServerOptions{Name: host, LMTP: true, Open: r.OpenLMTP})
//	...
//	r.Close()
//
// # What a message becomes
//
// The header is read first and alone (256 KB at most), so that fields which only we
// may write can be left out before anything is spooled: Authentication-Results in
// our name (RFC 8601 section 5), Return-Path, our own verdict. Signatures are checked
// against the header as it came. The body then runs through the hashes into the
// spool and is never whole in memory above 1 MB. What is known only at the end goes
// in front: Return-Path, Delivered-To, Received, Authentication-Results,
// Allgreen-Verdict.
//
// A message that policy suspects is filed in Junk; its field Allgreen-Verdict says
// why. What is refused is refused while the sender is there. Nobody gets a bounce.
//
// # Other stores
//
// With Options.LMTP local mail goes to another store, such as Dovecot, before the
// 250; its answer is ours. Recipients are then taken one at a time, as is everybody
// whose answer at the end could differ from that of others: one reply must be true
// for all.
//
// # When things are missing
//
// No room on the disk, a store that fails, names that cannot be looked up, another
// store that hangs: 4yz, and the sender comes back. What was refused or taken is in
// the log and in the journal, under the id that the Received field shows.
//
// Standards: RFC 5321 (section 4.4 trace fields, 4.5.3.1.10, 6.1), RFC 2033 (LMTP),
// RFC 8601, RFC 3848.
package receive
