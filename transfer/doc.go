// Package transfer moves mail in and out: from and to Maildir and mbox, and from
// another IMAP server.
//
//	from, err := transfer.OpenMaildir("/home/anna/Maildir")
//	total, err := transfer.Copy(ctx, from, to, transfer.Options{
//		Tell: func(p transfer.Progress) { ... },
//	})
//
// A Source hands over folders and their messages, a Target takes them: [OpenMaildir],
// [OpenMbox] and [DialIMAP] are sources, [NewMaildir] and [NewMbox] targets. The
// mailboxes of the running server are both; they are reached over its local socket
// (package web), and written by [Import] and read by [Export] there.
//
// # Again
//
// Each message has a key in its source that does not change: the unique name of a
// Maildir, UIDVALIDITY and UID of an IMAP server, a digest in an mbox. Import
// remembers the key in the transaction that stores the message. So an import that
// was interrupted goes on where it was, and one that is repeated brings what is new,
// and nothing twice. What the owner has deleted meanwhile does not come back.
//
// # What is kept
//
// Folders with their special use and subscription, flags, keywords, the date of
// arrival, and every octet but for line ends: mail on disk often ends its lines in
// LF, and is given CRLF, as it had on the wire.
//
// Standards: Maildir and Maildir++ as Dovecot writes them (keywords in
// dovecot-keywords, names in modified UTF-7), mbox as RFC 4155 and, for lines that
// begin with "From ", mboxrd; RFC 9051 and 3501.
package transfer
