// Package sieve understands the language in which people say what is to be done with
// their mail.
//
//	script, err := sieve.Parse(text, sieve.Limits{}) // *sieve.Error: line 3, column 7: ...
//	actions, err := script.Run(&sieve.Message{
//		Header: header, Size: size, From: from, To: to, Now: now,
//		Body: open, HasFolder: hasFolder,
//	})
//	if err != nil {
//		// keep the message in the INBOX, and tell whose script it is
//	}
//	for _, f := range actions.Files { ... }     // folders, flags
//	for _, to := range actions.Redirects { ... }
//	if v := actions.Vacation; v != nil { ... }  // an answer, if one may be sent
//
// Run does nothing but think: it files, sends and remembers nothing, and the same
// message and script give the same actions. Time, steps, memory, folders and addresses
// are bounded by Limits; a script that wants more ends in an error that wraps
// ErrTooMuch.
//
// What is known before a message is there is judged by Parse: a script that was taken
// fails later only for what variables hold, or for a limit.
//
// There is no reject: the message was accepted before a script sees it, and an answer
// to the sender that it claims to have would hurt strangers.
//
// Standards: RFC 5228 (the language, envelope, fileinto, encoded-character), RFC 3894
// (copy), 4790 and 5051 (comparators), 5173 (body), 5229 (variables), 5230 and 6131
// (vacation, vacation-seconds), 5231 (relational), 5232 (imap4flags), 5233
// (subaddress), 5260 (date, index), 5490 (mailbox, without mboxmetadata and
// servermetadata), 8579 (special-use).
package sieve
