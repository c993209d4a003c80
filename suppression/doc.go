// Package suppression remembers who wants no more mail of a stream, and why: who
// unsubscribed, complained, or has an address that bounces. A stream is mail of one kind,
// named as its sender is, as "token:news"; what people write to one another is none.
//
//	link := suppression.Link(secret, "token:news", address) // for the URL of List-Unsubscribe
//	stream, address, err := suppression.Read(secret, link)
//	added, err := suppression.Add(tx, suppression.Entry{
//		Stream: stream, Address: address, Kind: suppression.Unsubscribed, Since: now,
//	})
//	stop, err := suppression.Has(tx, stream, address)
//
// A link carries its stream and its address, sealed, so that nothing must be remembered of
// a message for its link to work for ever. It is a token of RFC 8058 section 3.1: opaque, and hard to forge.
package suppression
