// Package queue remembers what was promised and is not done yet. Whoever accepts a
// message puts its remote recipients here inside the transaction that gives the
// 250; whoever delivers claims them, tries, and settles.
//
//	err := st.Write(ctx, func(tx *store.Tx) error {
//		return queue.Put(tx, w.Now(), queue.Message{Trace: id, Body: body, From: from, Recipients: to})
//	})
//
//	q := queue.New(st, queue.Options{Clock: w.Now})
//	go q.Run(ctx)                                     // the lease: a heart that beats
//	jobs, err := q.Claim(ctx, queue.Want{Limit: 100}) // ours now, and nobody else's
//	err = st.Write(ctx, func(tx *store.Tx) error { return q.Settle(tx, outcomes...) })
//
// A job is one message for one destination, with all its recipients there: one row.
// It is in one of four states.
//
//	waiting  until Due, then anybody may claim it
//	leased   a worker has it
//	parked   it is due, but its lane (the destination, or the provider behind it) has
//	         all it can take; it is claimed by the name of the lane
//	held     until a person releases or drops it, for ever if need be
//
// Nothing costs more because more waits. Due rows are found by an index of the
// waiting rows, parked ones by an index of their lane, so a million rows in front of
// a blocked destination are never looked at; how many wait is counted by triggers,
// never by looking.
//
// A lease is no point in time, because clocks differ and jump. Each worker has a row
// whose number grows with every beat of Run. Another worker that has seen the same
// number for the length of a lease, by its own monotonic clock, takes the rows over.
// A worker whose own beats do not get through may begin nothing new (Queue.Alive).
// The embedded engine has one process: what is leased when it starts is taken over
// at once.
//
// When a row is next looked at stands in the row, jitter and all, so a restart
// changes nothing. A clock that was wrong and is put right does no harm either: a
// time further ahead than the schedule ever is, is brought back, and a message
// expires by its age only after it was tried often enough (Schedule).
//
// Standards: RFC 5321 section 4.5.4.1 (retry and expiry), RFC 3461 (what a sender
// asked to be told).
package queue
