// Package exhibit keeps results that somebody wants others to see: for thirty days, under
// an id that nobody guesses, as they were when they were put there.
//
//	e, err := exhibit.Put(ctx, st, now, exhibit.Exhibit{Kind: exhibit.Check, Title: "example.com", Document: json})
//	e, err = exhibit.Get(ctx, st, now, e.ID) // ErrNone after thirty days
//
// It knows nothing of what it keeps. Who puts something there must have made it: what a
// stranger sent must not be shown in the name of this server.
package exhibit
