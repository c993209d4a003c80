// Package backup keeps copies of everything of a mail server in a repository, and
// brings it back: a folder of one user into a place of its own, or a whole server.
//
//	k := backup.New(options, backup.Settings{Place: place, Key: key, Keep: rule, At: times})
//	go k.Run(ctx)                                     // on schedule
//	done, err := k.Now(ctx, progress)
//	restored, err := k.Restore(ctx, backup.Request{Address: "anna@example.com", At: yesterday}, progress)
//
// # What is in a snapshot
//
// All of one moment: the rows of the tables that each package names in
// store.Schema.Kept (accounts with their password verifiers, aliases, tokens, devices,
// quotas, scripts, subscriptions), the folders and messages with flags, keywords and
// dates, the keys and secrets of package identity, and the configuration file. Not in
// it are the journal, counters, caches, and the queue: what waited then was sent or
// bounced since, and to send it again would be the worse mistake. Nor are restored
// folders, which are copies of a backup.
//
// A snapshot is a tree of objects that are named by their digests (package
// repository): the root lists accounts, an account its folders, a folder its segments of
// 4096 UIDs, a segment its messages, a message its body. What did not change has the
// same digest and is not stored again. A folder with the same UIDVALIDITY, UIDNEXT and
// MODSEQ as in the last snapshot is not even read, and of one that changed only the
// bodies of UIDs that the last snapshot has not: a UID never changes its message.
//
// The rows are read in one transaction; the bodies, which never change, after it.
// Meanwhile no body is swept, in any process: see UnderWay.
//
// # A restore hurts nobody
//
// Restore writes into new folders that stand under no account yet (mailbox.NewHidden)
// and shows them in one transaction as Restored/YYYYMMDDTHHMMSS/...: outside of the
// quota, sealed, gone in a week. Nobody sees a half of it; when the process dies, what it
// has filled is given up. No statement of it changes a row of a folder or message that
// was there. UIDs and UIDVALIDITY are new, for these are new folders.
//
// Revival brings a whole server back into a store without accounts: the tables as they
// were, at the version they had then, and brought to today's by the same migrations as
// always; then the folders. All get a new UIDVALIDITY: programs have seen UIDs that were
// given after the snapshot, and must not take one message for another (RFC 9051
// section 2.3.1.1).
package backup
