// Package store remembers: transactions, message bodies, and wake-ups. It knows
// nothing of mail. It has two engines behind one interface and one conformance
// suite (package storetest): SQLite in the data folder, for one process, and
// PostgreSQL, for many.
//
//	st, err := store.Open(ctx, store.Options{
//		Dir:     "/var/lib/allgreen",
//		Schemas: []store.Schema{journal.Schema, mailbox.Schema},
//		Clock:   w.Now,
//		Log:     log,
//	})
//	err = st.Write(ctx, func(tx *store.Tx) error {
//		var id int64
//		err := tx.Row(`INSERT INTO folder (name) VALUES ($1) RETURNING id`, "INBOX").Scan(&id)
//		...
//		tx.Wake("folder")
//		return err
//	})
//
// # Transactions
//
// Write returns nil after the commit is durable: it survives a power cut, whoever
// was told may rely on it. The closure does nothing but talk to its Tx: no I/O, no
// locks, no channels, no side effects, for it may run more than once and it runs
// while its neighbours wait. What must follow a commit goes through
// [Tx.AfterCommit] and [Tx.Wake]. It fails alone: its error or its panic undoes its
// own changes and nobody else's. A cancelled context stops the waiting, never a
// commit on its way: an error from Write means "not known to be stored".
//
// The embedded engine has one writer that takes every closure waiting, runs them
// in one transaction, and syncs once for all. Closures therefore see the
// database one after the other. PostgreSQL runs each Write as a transaction of
// its own at READ COMMITTED: lock what you read and then change (SELECT ... FOR
// UPDATE is not portable: say UPDATE ... RETURNING, or [Tx.Lock]), lock in one
// order, append to counters instead of changing them.
//
// Read gives a snapshot; readers and writers do not wait for one another.
//
// # SQL
//
// One dialect on both engines: $1 parameters, RETURNING, ON CONFLICT, integers
// for times ([Micros]) and for booleans (0 and 1; compare with <> 0). Arguments
// may be nil, bool, any integer, float, string or []byte kind, and time.Time,
// which becomes microseconds. A string is text: what is no UTF-8 in it, and NUL,
// becomes U+FFFD; keep octets as []byte. Where the type of a parameter does not follow
// from a column, say CAST($1 AS BIGINT). Only DDL is written twice, see [Schema].
//
// # Bodies
//
// A message body is stored once however many rows refer to it. It arrives in a
// [Spool] (memory to 1 MB, then a file); [Spool.Place] puts a large one into its
// place and syncs it before the transaction; [Tx.PutBody] makes it durable with
// the rest of the transaction and gives its [BodyID]. Columns that hold BodyIDs are
// declared in [Schema.References]; [Store.Sweep] removes bodies nobody refers to.
package store
