package world

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// pipeNet is a network of pipes, so that a test can run in a bubble of
// testing/synctest, where hours pass at once. A write into a pipe is one read at
// the other end, as with packets. Sockets without a host refuse.
type pipeNet struct {
	mu    sync.Mutex
	hosts map[string]func(network string, conn net.Conn)
	alive sync.WaitGroup // hosts with a connection
	dials []string
}

func (n *pipeNet) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	host, ok := n.hosts[address]
	n.dials = append(n.dials, network+" "+address)
	n.mu.Unlock()
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	ours, theirs := net.Pipe()
	n.alive.Go(func() {
		defer theirs.Close()
		host(network, theirs)
	})
	return ours, nil
}

func (n *pipeNet) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, syscall.EACCES
}

// answering makes a host of a function from queries to answers; nil is silence.
func answering(reply func(network string, q *dns.Msg) *dns.Msg) func(string, net.Conn) {
	return func(network string, conn net.Conn) {
		for {
			q, err := readQuery(network, conn)
			if err != nil {
				return
			}
			if m := reply(network, q); m != nil {
				send(network, conn, m)
			}
		}
	}
}

func readQuery(network string, conn net.Conn) (*dns.Msg, error) {
	q := new(dns.Msg)
	if network == "tcp" {
		wire, err := readFrame(conn)
		if err != nil {
			return nil, err
		}
		return q, q.Unpack(wire)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	return q, q.Unpack(buf[:n])
}

func send(network string, conn net.Conn, m *dns.Msg) {
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		panic(err)
	}
	if network == "tcp" {
		wire = append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
	}
	conn.Write(wire)
}

// records answers with the records given, as a resolver would, and NXDOMAIN for
// other names. It counts the questions.
type records struct {
	t     testing.TB
	rrs   []string
	chase bool // follow CNAMEs
	mu    sync.Mutex
	asked []question
}

func (r *records) reply(_ string, q *dns.Msg) *dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	name, qtype := nameIn(q.Question[0].Name), q.Question[0].Qtype
	r.asked = append(r.asked, question{name, qtype})
	m.Rcode = dns.RcodeNameError
	for i := 0; i < len(r.rrs); i++ {
		rr, err := dns.NewRR(r.rrs[i])
		if err != nil {
			r.t.Error(err)
		}
		if nameIn(rr.Header().Name) != name {
			continue
		}
		m.Rcode = dns.RcodeSuccess
		cname, isAlias := rr.(*dns.CNAME)
		if rr.Header().Rrtype != qtype && !isAlias {
			continue
		}
		m.Answer = append(m.Answer, rr)
		if isAlias && r.chase {
			name, i = nameIn(cname.Target), -1
			m.Rcode = dns.RcodeNameError
		}
	}
	if len(m.Answer) == 0 || m.Rcode == dns.RcodeNameError {
		soa, _ := dns.NewRR(". 3600 SOA a. b. 1 2 3 4 120")
		m.Ns = append(m.Ns, soa)
	}
	return m
}

func (r *records) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

var (
	first  = netip.MustParseAddrPort("192.0.2.1:53")
	second = netip.MustParseAddrPort("192.0.2.2:53")
)

// worldOf opens a world on a network of pipes, with the hosts as its resolvers.
func worldOf(t testing.TB, o Options, hosts ...func(string, net.Conn)) (*World, *pipeNet) {
	t.Helper()
	n := &pipeNet{hosts: make(map[string]func(string, net.Conn))}
	t.Cleanup(n.alive.Wait)
	for i, at := range []netip.AddrPort{first, second}[:len(hosts)] {
		o.Resolvers = append(o.Resolvers, at)
		if hosts[i] != nil {
			n.hosts[at.String()] = hosts[i]
		}
	}
	w := &World{Network: n}
	if err := w.connect(o, nil); err != nil {
		t.Fatal(err)
	}
	return w, n
}

func silent(string, *dns.Msg) *dns.Msg { return nil }

func refusing(rcode int) func(string, *dns.Msg) *dns.Msg {
	return func(_ string, q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, rcode) }
}

// dnsHandler serves the records on real sockets.
func dnsHandler(r *records) dns.Handler {
	return dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) { rw.WriteMsg(r.reply("", q)) })
}
