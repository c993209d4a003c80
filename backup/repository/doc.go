// Package repository keeps objects for a long time in a place that nobody has to
// trust: a folder or an S3 bucket. It knows octets and their digests, and nothing of
// mail.
//
//	r, err := repository.Open(ctx, place, key)
//	w, err := r.NewWriter(ctx, dir)
//	digest, err := w.Put(ctx, data)             // stored once, however often it is put
//	name, err := w.Publish(ctx, now, root)      // from now on there is a snapshot
//	...
//	in, err := r.NewReader(ctx)
//	data, err := in.Get(ctx, digest)            // compared with its digest
//
// # What lies in the place
//
//	allgreen-backup      what this is, in plain text
//	pack/ab/ab12...      objects: compressed in blocks, one after the other, a table of
//	                     them at the end; the whole encrypted with age
//	index/...            the tables of many packs, so that nobody has to open each
//	snapshot/TIME-...    the root of one snapshot, under a MAC
//	doomed/...           packs that nothing refers to, and since when
//
// Every file is written once under a name that is the SHA-256 of what is in it (pack,
// index) or is used once (snapshot, doomed), and never changed. So a bucket without
// renames will do, two writers cannot hurt one another, and sha256sum alone shows a
// damaged pack. Packs come first, then the index, then the snapshot: who is killed
// leaves packs that nothing refers to, every older snapshot whole, and less to do for
// whoever comes next, because the tables in the packs say what they hold.
//
// Encrypted is what lies there with a key (RFC 7748's X25519, in age's format) that
// the place does not know: it sees how much there is and when it came. It cannot make
// up a snapshot either: its root carries an HMAC under the same key, and everything
// below is named by its digest.
//
// A file that is damaged, cut or gone costs what was in it. Whoever reads is told
// which file and which object, and reads on.
//
// Removing is in two steps, a day apart, for somebody may at this moment be writing a
// snapshot that refers to what seems to be needed by nobody: see [Repository.Prune].
package repository
