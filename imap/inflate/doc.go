// Package inflate reads DEFLATE (RFC 1951) as a dialogue needs it: what has come is given
// out before more is waited for, whichever way the other side flushes.
//
//	r := inflate.NewReader(conn)
//	n, err := r.Read(p)
//
// The decoders at hand keep what they decoded until a block of its own says "flush"
// (Z_SYNC_FLUSH). Programs flush with Z_PARTIAL_FLUSH as well, as RFC 4978 section 3 has
// it, and then both sides would wait for ever. They also take a window of 32 KiB at once;
// this one takes as much as was said, which for a client that idles is next to nothing.
//
// It is plain rather than fast: it is for what clients say.
package inflate
