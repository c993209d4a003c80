// Package structure answers: what does a mail program want to know of a message
// without reading it? Its envelope, its tree of MIME parts and where in the octets
// each of them lies.
//
//	m, err := structure.Read(file)      // streamed once, in bounded memory
//	kept := m.Encode()                  // some hundred octets, stored beside the message; Of does both
//	...
//	line := structure.EnvelopeOf(kept)  // IMAP's ENVELOPE, ready-made: nothing is parsed
//	m, err = structure.Decode(kept)
//	part := m.Find([]int{2, 1})         // BODY[2.1]
//	io.NewSectionReader(file, part.Body.Start, part.Body.Size())
//
// A message is taken apart when it arrives, and never again: listing a folder,
// sorting and threading it, and fetching a part need only what Encode made.
//
// Any octets are a message. What is broken is read as well as it can be: a multipart
// without its boundary holds one text with everything in it, an address without a
// domain keeps what it has, octets over 127 stay as they are. Depth, number of parts,
// fields and addresses are bounded, so that what is kept is never much larger than
// the header of the message. The error of Read is that of the stream.
//
// For SORT and THREAD there are the base subject, the date the message was sent, and
// the identifiers of the messages it answers (RFC 5256).
//
// Standards: RFC 9051 and 3501 (ENVELOPE, BODYSTRUCTURE, part numbers), RFC 5322,
// RFC 2045 to 2047, RFC 2231, RFC 2183, RFC 3282, RFC 2557, RFC 1864, RFC 5256 (base
// subject, sent date, references), RFC 5051 (how subjects are compared).
package structure
