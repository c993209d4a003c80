// Package syntax is the wire grammar of IMAP: commands into typed values, and the
// octets of responses. It is pure: it opens nothing and keeps nothing.
//
//	cmd, err := syntax.Parse([]byte(`a1 UID FETCH 1:* (FLAGS BODY.PEEK[1.2]<0.100>)`), false)
//	cmd.Tag, cmd.Name, cmd.UID        // "a1", "FETCH", true
//	fetch := cmd.Args.(*syntax.Fetch) // Set, Items, ChangedSince
//
//	w := syntax.NewWriter(conn)
//	w.Raw("* ").Number(3).Raw(" FETCH (BODY[1.2] ").String(text).Raw(")\r\n")
//	err = w.Flush()
//
// A command is parsed when all of it is there, literals included: whoever reads from
// the connection adds to the text as long as Announced finds a literal at its end. The
// one exception is the message of APPEND, which may be large: where Streams says so,
// the text ends with its announcement, and Append.Literal tells what follows.
//
// Names of folders are UTF-8 in the values. On the wire they are in modified UTF-7
// until a client enables UTF8=ACCEPT or IMAP4rev2; that is what the arguments called
// utf8 say.
//
// The size of a command bounds everything that comes out of it; search keys may be
// nested MaxDepth levels deep.
//
// Standards: RFC 9051 (IMAP4rev2) and 3501 (IMAP4rev1), 2971 (ID), 3516 (BINARY), 4959
// (SASL-IR), 4978 (COMPRESS), 5032 (WITHIN), 5161 (ENABLE), 5182 (SEARCHRES), 5256 (SORT,
// THREAD), 5258 (LIST-EXTENDED), 5267 (ESORT), 5819 (LIST-STATUS), 6154 (SPECIAL-USE),
// 6855 and 9755 (UTF8), 7162 (CONDSTORE, QRESYNC), 7888 (LITERAL+), 8438 (STATUS=SIZE),
// 9208 (QUOTA).
package syntax
