package lab

import (
	"time"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// Options say how a lab differs from the default one. The zero value is the
// default Internet on any free ports.
type Options struct {
	// Zones are further records in master-file format, one text each; an SOA makes a
	// zone. They come last, so that ";lab without" can take away what is there.
	Zones []string
	// Domains are further domains, published and run as those of expected.json are.
	Domains []Domain
	// Hosts are further mail servers. One with the name of a host of the lab takes its
	// place; one without address stands at the A record of its name.
	Hosts []host.Mail
	// Web are further web servers. They need an address of their own.
	Web []host.Web
	// Join is for who brings a server along that is not the lab's: it gets the
	// certificates from the authority before there are names, and gives the zones that
	// the server wants published. They come behind those of Zones.
	Join func(*ca.CA) (zones []string, err error)
	// Bulk is how many domains bulk-0001.test, bulk-0002.test and so on there are.
	Bulk int
	// Bare leaves all domains and lists out: only the root, the top-level and
	// reverse zones and what the other options bring.
	Bare bool
	// FixedPorts takes 2525, 5353, 4443 and so on while they are free: for people.
	FixedPorts bool
	// Now is when signatures and certificates begin to live; zero: when it starts.
	Now time.Time
}

// domains are all domains that begin with the good zone.
func (o Options) domains() []Domain {
	if o.Bare {
		return o.Domains
	}
	return append(Domains(), o.Domains...)
}
