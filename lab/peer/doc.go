// Package peer starts mail servers that are not ours, as anchors for tests: what
// is said about Postfix, Exim and OpenSMTPD must be true of them.
//
//	p := peer.Postfix(t, peer.Options{Domains: []string{"closed.example"}})
//	p := peer.Exim(t, peer.Options{Domains: []string{"open.example"}, OpenRelay: true, CertFile: c, KeyFile: k})
//	conn, err := net.Dial("tcp", p.Addr.String())
//
// Each runs in a folder of its own, with its own configuration and queue, on
// loopback and a high port, until the test ends; the system's own mail server
// is neither read nor touched. No server asks the DNS: names are not looked up,
// and mail for other domains goes to NextHop or stays in the queue.
//
// BIND is the one that speaks DNS: an authority for a few zones that takes updates
// (RFC 2136) signed with its key.
//
// A program that is not there skips the test with its reason, and fails it when
// the environment has CI=true. Debian lets nobody install Exim or OpenSMTPD beside
// Postfix, so the test script unpacks them under .cache/debian, Exim with a library
// that lets it run without its system user (libnss-wrapper). OpenSMTPD, whose
// folders are compiled in, runs in a mount namespace, as root only.
// ALLGREEN_DEBIAN names that folder; without it the folder is looked for at the
// root of the module.
package peer
