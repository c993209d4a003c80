// Package message reads and writes Internet messages: the header exactly as it
// came, what its fields mean, the MIME structure, text and links. A broken message
// yields what can be read of it, and the list of what is wrong.
//
//	m, err := message.Read(os.Stdin, message.Limits{})
//	from, err := m.Header.From()           // mailboxes, names decoded
//	subject := m.Header.Text("Subject")    // encoded words decoded
//	problems := m.Header.Check()           // two From fields, no Date, ...
//	for _, f := range m.Header.Fields {
//		fmt.Printf("%q\n", f.Raw())    // octets as received, folds and all
//	}
//	problems, err = m.Walk(message.Limits{}, func(p *message.Part) error {
//		links, err := p.Links()        // decoded on the way, never whole in memory
//		...
//	})
//
// Only the header is held in memory, bounded by Limits; the body is a stream.
// Form is an io.Writer that judges the octets of a whole message as they pass:
// bare CR and LF, NUL, long lines.
//
// Writing is the other way round, and never yields a broken message:
//
//	err := message.Compose(w, message.Draft{
//		From: from, To: to, Subject: "Grüße", Text: text, HTML: page,
//		Attachments: []message.Attachment{{Name: "bill.pdf", Content: file}},
//	})
//
// TextField and AddressField make single fields out of any text: encoded, folded,
// and never more than the one field.
//
// Standards: RFC 5322 (format), RFC 2045 to 2049 (MIME), RFC 2047 (encoded words),
// RFC 2231 (parameters), RFC 2183 (Content-Disposition), RFC 6532 (UTF-8 headers).
// The package does no I/O of its own.
package message
