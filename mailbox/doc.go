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
// # What holds
//
// UIDs of a folder rise by one, without gaps, in the order of the commits: the
// folder's row is the lock, on PostgreSQL across processes. Who locks several folders
// locks them account by account, and the INBOX of one first, as DeliverAll does. UIDVALIDITY is never used
// twice for one account and rises with the time. A message never changes but for its
// flags and keywords; each change has a MODSEQ of its own; an expunged UID leaves a
// tombstone for those who were away.
//
// The counters of a folder (messages, unseen, bytes) change with the messages in the
// same transaction. The quota is summed over the few folders of an account, so there
// is no counter for the account that all its deliveries would queue for.
//
// After a commit that changed something, Topic(account) is woken.
//
// Standards: RFC 9051 and 3501 (UID, UIDVALIDITY, flags), RFC 7162 (MODSEQ,
// tombstones), RFC 6154 (special-use), RFC 9208 (quota).
package mailbox
