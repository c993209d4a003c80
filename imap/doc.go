// Package imap is where mail programs read their mail: our own IMAP server.
//
//	s := imap.NewServer(imap.Options{Name: name, TLS: identity.TLS(identity.IMAP), ImplicitTLS: true,
//		Store: st, Accounts: dir, World: w, Log: log})
//	go s.Serve(ctx, listener)             // port 993; without ImplicitTLS port 143
//	defer s.Shutdown(context.Background()) // BYE to who waits, ten seconds for who is at work
//
// No password is taken before TLS. Logins go through account.Directory, which slows the
// guesser and not the user.
//
// # How a command is done
//
// A session reads a command (package syntax makes typed values of it), finds it in the
// table of commands.go, and calls the method that stands there:
//
//	func (s *session) copy(ctx context.Context, cmd *syntax.Command) (answer, error) {
//		args := cmd.Args.(*syntax.Copy)
//		uids, err := s.view.pick(args.Set, cmd.UID)   // what the client means, as UIDs
//		...
//		return answer{code: "COPYUID 1 2 3"}, nil     // a1 OK [COPYUID 1 2 3] COPY done
//	}
//
// The method writes its untagged responses to s.out and returns what the tagged one says.
// An error of no() or bad() is said as it is; those of package mailbox have their words in
// answer.go; any other is our own trouble, said as such and logged. After the method the
// session tells the news, as far as the table allows, and then the tagged line.
//
// # The view
//
// What a client knows of its folder is a view (view.go): which UIDs there are, in their
// order, and the MODSEQ up to which it was told everything. It changes only when the client
// is told. So message numbers mean what the client thinks they mean: a message that
// somebody else expunged keeps its number until EXPUNGE may be said, and is then gone for
// FETCH although it is in the view: whoever asks for it gets nothing, or NO
// [EXPUNGEISSUED]. Changes of flags that a command tells by itself are noted with
// view.tell, so that the news do not repeat them.
//
// Others' changes are learned from mailbox.ChangesSince, when the account's topic wakes the
// session's watch. IDLE is the same, with a second goroutine that tells the news while the
// first waits for DONE.
//
// Responses collect in s.out and go out in large pieces: when many have gathered, and
// before the session waits for its client. Who sends much must not do so inside of a
// transaction: a client may read as slowly as it likes. mailbox.FetchPages is made for that.
//
// # Bounds
//
// A command is at most 256 KiB, 8 KiB before the login; the message of an APPEND is what
// Options say, and goes into a spool. An idle session keeps half a kilobyte of buffer; larger
// ones are lent. Compression keeps no state for what we send.
//
// Standards: RFC 9051 (IMAP4rev2), RFC 3501 (IMAP4rev1), and the extensions in
// connecting.go: RFC 2971, 3516, 4315, 4731, 4959, 4978, 5032, 5161, 5182, 5256, 5258, 5267,
// 5530, 5819, 5957, 6154, 6851, 7162, 7888, 7889, 8314, 8438, 9208, 9755.
package imap
