// Package standing keeps the colours of our own addresses and domains: what the checks
// found, since when, and how it was before.
//
//	var changes []standing.Change
//	err := st.Write(ctx, func(tx *store.Tx) (err error) {
//		changes, err = standing.Record(tx, standing.Run{
//			Target: "example.com", Findings: report.Findings, Confirm: 3,
//		})
//		return err
//	})
//
// A row is one check about one subject of one target. Its colour is the one last
// confirmed: a new colour counts when it was seen in so many runs one after the other,
// for name servers time out and lists blink. The first colour that is seen is shown at
// once, and confirmed like any other.
//
// Unknown is no colour: what could not be seen keeps the colour that it had, and the
// row says since when it is blind. After a day of that there is a Change as well, for
// a watch that sees nothing must not look like one that sees nothing wrong.
//
// # Changes
//
// Record returns what somebody should be told, and remembers it until Told says that
// it was: a crash in between repeats an alert and loses none. What turned green or
// does not apply from the start is no news.
//
// Nothing here looks at the world: that is the watch of package monitor, which tells what
// is Untold. Reds is for the gate before sending, Rows and History for pages.
package standing
