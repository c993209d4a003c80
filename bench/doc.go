// Package bench measures mail servers: it makes load, takes mail as a sink, and
// knows what the machine itself could do.
//
//	r, err := bench.Load{To: to, Connections: 50, Duration: 10 * time.Second,
//		From: from, Recipients: rcpts, Messages: [][]byte{message}}.Run(ctx, w)
//	fmt.Println(r.PerSecond(), r.Latency.Percentile(99))
//
// A Load is closed (every connection sends its next message when the last one
// was answered) or open (messages come at a rate, whatever the answers; waiting
// counts as latency). It says of every message what became of it: accepted,
// deferred, refused, or lost with its connection.
//
// A Floor is a receiver that does nothing but append to a log and sync it, one
// sync for all that wait: nobody who keeps the promise of a 250 is faster on this
// machine. Figures of one machine mean nothing on the next; ratios to the floor,
// taken in the same run, do.
//
// A Sink takes mail and forgets it, as slowly and as unwillingly as it is told.
//
// The three are written for speed and speak SMTP (RFC 5321, RFC 2920) by
// themselves, so that they share no fault and no cost with the server that they
// measure.
package bench
