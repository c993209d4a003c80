package authority_test

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab/authority"
)

// TestForward puts a zone into another program, and takes the program away.
func TestForward(t *testing.T) {
	behind := load(t, "far. SOA ns.root. h.root. 7 7200 1800 1814400 300\nfar. NS ns.root.\na.far. TXT outside\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := behind.Server(netip.MustParseAddr("127.1.0.1"))
	program := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(served.Answer(t.Context(), q, true)) })}
	var serving sync.WaitGroup
	serving.Go(func() { _ = program.ActivateAndServe() }) // it ends with an error when it is shut down
	end := sync.OnceFunc(func() { l.Close(); serving.Wait() })
	defer end()
	a := load(t, "far. SOA ns.root. h.root. 1 7200 1800 1814400 300\nfar. NS ns.root.\n;lab forward far. "+l.Addr().String())
	for name, r := range map[string]authority.Responder{"resolver": a.Resolver(), "server": a.Server(netip.MustParseAddr("127.1.0.1"))} {
		reply := ask(t, r, "a.far.", dns.TypeTXT, false)
		if len(reply.Answer) != 1 || !strings.Contains(reply.Answer[0].String(), "outside") || reply.Authoritative == (name == "resolver") {
			t.Errorf("%s: %v", name, reply)
		}
		if reply := ask(t, r, "far.", dns.TypeSOA, false); len(reply.Answer) != 1 || reply.Answer[0].(*dns.SOA).Serial != 7 {
			t.Errorf("%s answers from the zone that it has itself: %v", name, reply)
		}
	}
	end()
	if reply := ask(t, a.Resolver(), "a.far.", dns.TypeTXT, false); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("nobody is behind it: %v", reply)
	}
}
