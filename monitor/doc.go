// Package monitor looks at our own addresses and domains again and again, keeps what it
// saw as their standing, and speaks when a colour changes.
//
//	m := monitor.New(monitor.Options{Store: st, World: w, Ours: ours, Log: log})
//	m.Configure(monitor.Settings{
//		Hostname: host, Domains: domains, Addresses: addresses,
//		Channels: []monitor.Channel{admin, monitor.Webhook(w, url)},
//	})
//	err := m.Run(ctx) // until the context ends
//
// # When it looks
//
// Every domain, the host name and every address that mail leaves from are looked at so
// often that a change is seen, confirmed and told within Settings.Every. What looks
// different than before is on trial: its check alone is asked again, a twenty-fourth of that
// time later, until it was seen Confirm times one after the other. Whatever flaps stays
// on trial, and is asked no more often than maxTrials times between two full looks.
//
// Each look has a resolver without memory, or the second look would only see the first
// one's answers. It speaks on ports of mail to our own addresses alone: whoever sends
// mail must not be seen to probe others.
//
// # What it says
//
// All that changed by one look is one Letter, for each Channel. Letters are owed from the
// transaction that noted the change until the channel has taken them; a channel that fails
// is tried again, ever more seldom, and holds up no other. A channel that can settle the
// debt in the transaction that delivers it, as our own mailboxes can, says nothing twice
// even over a crash; the others may repeat the letter that a crash cut off.
//
// What cannot be seen is not red. After a day of that somebody is told that the watch is
// blind, because it would look as quiet as one that sees nothing wrong.
//
// # Several processes
//
// On a database that several share, the one that holds the lease looks and tells.
//
// Standards: none. RFC 3834 (automatic messages) for the letters, RFC 5321 for the way
// out of those that go elsewhere.
package monitor
