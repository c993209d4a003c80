// Package submit is the one way out: whatever one of ours sends goes through
// Submit, be it a mail program with a login, a printer known by its network, a
// program with an API token, sendmail, or this server itself.
//
//	s := submit.New(submit.Options{
//		Store: st, Accounts: dir, Keys: identity, Accept: acceptor, Queue: q,
//		World: w, Hostname: hostname, Alert: tellTheAdmin, Log: log,
//	})
//	smtp.ServerOptions{Submission: true, Open: s.Open}      // 465 and 587
//	smtp.ServerOptions{Normalize: true, Open: s.OpenDevice} // the device listener
//	id, err := s.Submit(ctx, submit.Submission{Principal: p, From: from, To: to, Body: r})
//
// # What Submit does
//
// It judges the authors: From, Sender, Resent-From and the reverse-path belong to
// the principal, exist here and take mail. It completes the header: Date and
// Message-ID where they are missing, Bcc and what mail programs keep for themselves
// removed, raw UTF-8 encoded, one Received field on top. That field says nothing of
// the client's address or name: where our people sit is nobody's business elsewhere,
// and the log and the journal know. It counts: recipients per hour and per day. It
// signs with every active key of the author's domain, RSA and Ed25519. Then one
// transaction (package accept) puts the message into mailboxes here and into the
// queue for elsewhere, with what the client wants to be told (DSN), REQUIRETLS and
// SMTPUTF8, beside the counters and the idempotency key.
//
// Two kinds of callers differ in what is refused and what is mended. A mail program
// behind a login is told that its message is broken (RFC 6409 section 6). Programs
// that cannot do better (devices, sendmail, the API: Submission.Mend) have their
// line ends, dates and missing headers set right; see Text.
//
// # Stolen passwords
//
// An internal problem must not leak out. Every sender has limits (Watch.Limits), and
// its own past is remembered: how much, when, to whom, from which networks. Signals
// that something is not as usual (watch.json: thresholds are data) add up; at
// Watch.HoldAt its mail is held: the message at hand, what waits of earlier ones,
// and what comes next. A person is told (Options.Alert, log, journal) and frees or
// drops it all with one command:
//
//	allgreen account free anna@example.com
//	allgreen account free --drop anna@example.com
//
// Mail for our own mailboxes is not held but refused for now, for the queue is for
// elsewhere.
//
// Standards: RFC 6409 (submission), RFC 8314 (TLS first), RFC 4954 (AUTH), RFC 5321
// and 5322, RFC 3461 (DSN parameters), RFC 6531 (SMTPUTF8), RFC 8689 (REQUIRETLS),
// RFC 6376 and 8463 (DKIM).
package submit
