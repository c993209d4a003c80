// Package mailbox keeps what people have: folders, and in them messages with their
// UIDs, flags, keywords and modification sequences.
//
//	err := st.Write(ctx, func(tx *store.Tx) error {
//		body, err := tx.PutBody(spool)
//		...
//		uid, err := mailbox.Deliver(tx, mailbox.Delivery{
//			Account: 7, Folder: mailbox.Inbox, Body: body, Size: spool.Size(), Received: now, Trace: id,
//		})
//		return err
//	})
//
// Delivery happens inside the transaction that gives the 250, so it is few
// statements: the folder's row is changed once, for UID, MODSEQ and all its counters;
// the message is one narrow row; the structure, when given, another. The body is
// shared by reference, by all recipients and by copies.
//
// # Reading and changing
//
// UIDs gives a whole folder as ranges without reading a message, Fetch streams
// messages side by side with their structures, FetchPages does so for a reader that may be
// slow:
//
//	err := st.Read(ctx, func(tx *store.Tx) (err error) {
//		if folder, err = mailbox.FolderNamed(tx, 7, "Work"); err == nil {
//			uids, err = mailbox.UIDs(tx, folder.ID)
//		}
//		return err
//	})
//	err = mailbox.FetchPages(ctx, st, folder.ID, uids.Ranges(), mailbox.Facts|mailbox.Structures, show)
//
// Append, SetFlags, Copy, Move and Expunge change it, several messages at one moment. A
// session that watches keeps the MODSEQ of its folder: after each wake ChangesSince
// tells what arrived, what is altered and what is gone. An Index finds messages by
// their words. Folders expire, when they are made to; Sweep removes what nobody needs.
//
// Scripts in Sieve are kept here, too, for they belong to the mailbox; what they mean
// is the business of others. So is what can be learned from JunkMoves.
//
// # What holds
//
// UIDs of a folder rise by one, without gaps, in the order of the commits: the
// folder's row is the lock, on PostgreSQL across processes. Who locks several folders
// locks them account by account, and those of one by their numbers, where the INBOX is the
// first. UIDVALIDITY is never used twice for one account and rises with the time. A
// message never changes but for its flags and keywords; each change has a MODSEQ of its
// own; expunged UIDs leave a tombstone for those who were away.
//
// The counters of a folder (messages, unseen, bytes) change with the messages in the
// same transaction. The quota is summed over the few folders of an account, so there
// is no counter for the account that all its deliveries would queue for.
//
// After a commit that changed something, Topic(account) is woken.
//
// Standards: RFC 9051 and 3501 (UID, UIDVALIDITY, flags, names), RFC 7162 (MODSEQ,
// tombstones), RFC 4315 and 6851 (copies, moves), RFC 6154 (special-use), RFC 9208
// (quota), RFC 5198 (the form of names).
package mailbox
