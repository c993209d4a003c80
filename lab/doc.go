// Package lab is an Internet on loopback: name servers from the root down, mail
// hosts of every character, blocklists, web sites, and a certification authority.
// Each host has its own 127.x.y.z address; all share one set of high ports.
//
//	l, err := lab.Start(ctx, lab.Options{})
//	if err != nil { ... }
//	defer l.Close()
//	w := l.World()       // the door into it, for whatever is under test
//	l.File().Write(path) // the same for another process: --lab
//
// What is in it is data under internet/. A domain of expected.json publishes and
// runs everything right (good.tmpl, the zero host.Character) but for what its zone
// file in internet/domains, its hosts in the files named hosts_*.go and its pages in
// sites.go take away or do wrong. expected.json says what a judge should find:
//
//	for _, d := range lab.Domains() {
//		d.Name    // "no-ptr.example"
//		d.Defects // rows of the catalogue of checks, and the colour of each
//	}
//
// A test adds what it needs: Options.Domains are more domains of the same kind,
// Options.Zones more records in master-file format (see package authority for the
// ";lab" lines), Options.Hosts more mail servers (see host.Character), Options.Bulk
// many small domains. Labs run side by side: each takes free ports. Resolver, ports
// and trust anchor are in the world file alone.
//
// The private keys in internet/ are public, guard nothing, and sign nothing but
// test mail. The lab follows the RFCs that packages authority and host list.
package lab
