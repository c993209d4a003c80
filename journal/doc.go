// Package journal is the life of every message, one line per event: what came,
// what was refused and why, where it went. People ask it "where is the mail of
// anna@example.com from this morning", and `log trace ID` prints one life.
//
//	err := st.Write(ctx, func(tx *store.Tx) error {
//		return journal.Add(tx,
//			journal.Event{Trace: id, Time: now, Kind: journal.Received, From: from, To: to},
//			journal.Event{Trace: id, Time: now, Kind: journal.Delivered, To: to})
//	})
//	err = st.Read(ctx, func(tx *store.Tx) error {
//		life, err := journal.Trace(tx, id)
//		found, err := journal.Search(tx, journal.Query{Address: "anna@example.com", Limit: 50})
//		...
//	})
//
// Add belongs into the transaction that does what the event says: the journal then
// never tells of a delivery that was not, nor misses one that was. It is one
// statement however many events it is given, and all its rows and index entries go
// to the ends of their trees, so that it costs the same with ten million events as
// with none.
//
// # Search
//
// What would not go to an end, the index of addresses and domains, is written
// afterwards by a [Keeper], in order and in bulk. Search reads that index and looks
// itself through the few seconds that the Keeper has not come to yet: what was
// committed is found at once. The order of the answers is that of the time; where the
// limit cuts, it is that of writing, which differs when a clock was set.
package journal
