// Package probe answers two questions that only a receiving end can: did a message
// come out, and who called? It is a very small mail server for the probe domain, on
// duty for one run of checks.
//
//	l, err := probe.Listen(ctx, w, domain, address) // port 25 of that world
//	defer l.Close()
//	t := l.Issue()                                  // unguessable
//	relayed := t.Address()                          // <token>@domain, as victim or as sender
//	header := t.Header()                            // Allgreen-Probe: <token>, into our own message
//	events := l.Wait(ctx, t, w.Now().Add(30*time.Second))
//	for _, e := range events {
//		switch e.Kind {
//		case probe.Delivered: // our message came out: the host relays
//		case probe.Bounced:   // it was taken and a report came back: backscatter
//		case probe.Answered:  // a machine or a challenge answered our sender
//		case probe.Callout:   // somebody tried whether the address exists
//		}
//	}
//
// It takes mail for addresses with a live token, and for nothing else; it never sends,
// never relays, and forgets everything with the Listener. Messages, connections,
// commands, events and times are bounded, for it stands on the open Internet.
//
// It is written apart from the smtp package's server on purpose: it is a judge of
// that one too.
//
// Standards: RFC 5321 (SMTP), 3834 (Auto-Submitted), 3464 (delivery reports).
package probe
