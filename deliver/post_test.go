package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// zone is a resolver made of records.
type zone struct {
	mu      sync.Mutex
	records []dns.RR
	fail    map[string]error // "name. TYPE"
}

func (z *zone) add(t testing.TB, text string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	p := dns.NewZoneParser(strings.NewReader(text), ".", "")
	p.SetDefaultTTL(300)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		z.records = append(z.records, rr)
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
}

func (z *zone) setFail(what string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fail[what] = err
}

func (z *zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := z.fail[fmt.Sprintf("%s %s", name, dns.TypeToString[qtype])]; err != nil {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: err}
	}
	a := &world.Answer{Name: name, Type: qtype}
	kind := world.ErrNoName
	for _, rr := range z.records {
		if strings.EqualFold(rr.Header().Name, string(name)) {
			kind = world.ErrNoData
			if rr.Header().Rrtype == qtype {
				a.Records = append(a.Records, rr)
			}
		}
	}
	if len(a.Records) == 0 {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: kind}
	}
	return a, nil
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// letterbox is where reports go in tests.
type letterbox struct {
	st      *store.Store
	fails   error
	mu      sync.Mutex
	reports []report.DSN
	raw     []string
	owners  []int64
	arrived chan struct{}
}

func (m *letterbox) Report(_ context.Context, r deliver.Report) (func(*store.Tx) error, error) {
	if m.fails != nil {
		return func(*store.Tx) error { return m.fails }, nil
	}
	in, err := r.Spool.Open()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(in); err != nil {
		return nil, err
	}
	in.Close()
	dsn, err := report.ReadDSN(bytes.NewReader(b.Bytes()))
	if err != nil {
		return nil, err
	}
	return func(tx *store.Tx) error {
		tx.AfterCommit(func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.reports = append(m.reports, dsn)
			m.raw = append(m.raw, b.String())
			m.owners = append(m.owners, r.Owner)
			m.arrived <- struct{}{}
		})
		return nil
	}, nil
}

// post is a queue, a deliverer and an Internet of scripted servers.
type post struct {
	t       *testing.T
	st      *store.Store
	q       *queue.Queue
	d       *deliver.Deliverer
	w       *world.World
	zone    *zone
	clock   *clock
	mailbox *letterbox
	alerts  chan deliver.Alert
	options deliver.Options
	port    string
	servers int
	n       int
	stop    func()
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var schemas = []store.Schema{journal.Schema, queue.Schema, deliver.Schema}

// each opens a post on both engines.
func each(t *testing.T, f func(t *testing.T, p *post)) {
	t.Helper()
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) { f(t, open(t, st)) })
}

// one opens a post on the embedded engine, for what no engine changes.
func one(t *testing.T) *post {
	t.Helper()
	return open(t, storetest.Open(t, schemas...))
}

func open(t *testing.T, st *store.Store) *post {
	t.Helper()
	p := &post{t: t, st: st, zone: &zone{fail: map[string]error{}}, clock: &clock{now: start}, alerts: make(chan deliver.Alert, 100)}
	l, err := net.Listen("tcp", "127.0.1.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	p.port = fmt.Sprint(at.Port())
	p.w = &world.World{Resolver: p.zone, Network: world.Machine(), Clock: p.clock.Now,
		Map: world.Map{Ports: map[uint16]uint16{25: at.Port()}, Public: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}}}
	p.q = queue.New(st, queue.Options{Clock: p.clock.Now, Worker: "test"})
	p.mailbox = &letterbox{st: st, arrived: make(chan struct{}, 1000)}
	p.options = deliver.Options{
		Store: st, Queue: p.q, World: p.w, Reports: p.mailbox,
		HELO: func(netip.Addr) mail.Domain { return mail.MustParseDomain("mx.example.com") },
		// Long, so that a slow machine is not taken for a hanging server; tests that wait for the end set their own.
		Timeouts: deliver.Timeouts{Connect: 20 * time.Second, Command: 20 * time.Second, Data: 20 * time.Second, Idle: 100 * time.Millisecond, Stop: time.Second},
		Alert:    func(_ context.Context, a deliver.Alert) { p.alerts <- a },
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return p
}

// server starts a server and gives it a domain and a host name.
func (p *post) server(domain string, change ...func(*server)) *server {
	p.t.Helper()
	p.servers++
	s := newServer(p.t, "mx."+domain)
	for _, f := range change {
		f(s)
	}
	ip := fmt.Sprintf("127.0.1.%d", 10+p.servers)
	if s.hang != "connect" {
		s.serve(ip + ":" + p.port)
	}
	p.zone.add(p.t, fmt.Sprintf("%s. MX 10 %s.\n%s. A %s\n", domain, s.name, s.name, ip))
	return s
}

// run starts the deliverer; the test's end stops it, or stop.
func (p *post) run() {
	p.t.Helper()
	p.d = deliver.New(p.options)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.d.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			p.t.Error(err)
		}
	})
	p.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	p.t.Cleanup(p.stop)
}

// put queues a message.
func (p *post) put(to string, change ...func(*queue.Message)) mail.TraceID {
	p.t.Helper()
	return p.putBody("Subject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nbody\r\n", to, change...)
}

func (p *post) putBody(body, to string, change ...func(*queue.Message)) mail.TraceID {
	p.t.Helper()
	p.n++
	m := queue.Message{Trace: mail.TraceID(fmt.Sprintf("trace%d", p.n)), Size: int64(len(body)), Origin: "anna@example.com", Owner: 7,
		From: mail.MustParseAddress("anna@example.com")}
	for _, a := range strings.Fields(to) {
		m.Recipients = append(m.Recipients, queue.Recipient{To: mail.MustParseAddress(a)})
	}
	for _, f := range change {
		f(&m)
	}
	sp := p.st.NewSpool()
	defer sp.Close()
	fmt.Fprint(sp, body)
	if err := sp.Place(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	err := p.st.Write(p.t.Context(), func(tx *store.Tx) (err error) {
		if m.Body, err = tx.PutBody(sp); err != nil {
			return err
		}
		return queue.Put(tx, p.clock.Now(), m)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return m.Trace
}

// wait waits for a condition that only other goroutines bring about, looking again
// whenever the journal may have grown.
func (p *post) wait(what string, f func() bool) {
	p.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("never: %s\n%s", what, p.state())
		}
	}
}

// state is everything about the queue, for a failed test.
func (p *post) state() string {
	reasons, err := p.q.Why(p.t.Context(), queue.Selection{All: true}, 20)
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%d jobs\n", len(reasons))
	for _, r := range reasons {
		s += r.Sentence + "\n" + r.Transcript + "\n"
	}
	return s
}

// events waits until the journal has n events of a kind for a message, and gives the
// last.
func (p *post) event(id mail.TraceID, kind journal.Kind, n int) journal.Event {
	p.t.Helper()
	var last journal.Event
	p.wait(fmt.Sprintf("%d events %q for %s", n, kind, id), func() bool {
		found := 0
		err := p.st.Read(p.t.Context(), func(tx *store.Tx) error {
			events, err := journal.Trace(tx, id)
			for _, e := range events {
				if e.Kind == kind {
					found++
					last = e
				}
			}
			return err
		})
		if err != nil {
			p.t.Fatal(err)
		}
		return found >= n
	})
	return last
}

// why is the reason of the only job of a message.
func (p *post) why(id mail.TraceID) queue.Reason {
	p.t.Helper()
	r, err := p.q.Why(p.t.Context(), queue.Selection{Trace: id}, 10)
	if err != nil || len(r) != 1 {
		p.t.Fatalf("%d reasons, %v", len(r), err)
	}
	return r[0]
}

// retry makes everything due.
func (p *post) retry() {
	p.t.Helper()
	if _, err := p.q.Retry(p.t.Context(), queue.Selection{All: true}); err != nil {
		p.t.Fatal(err)
	}
}

// report waits for the n-th report.
func (p *post) report(n int) report.DSN {
	p.t.Helper()
	p.wait(fmt.Sprintf("report number %d", n), func() bool {
		p.mailbox.mu.Lock()
		defer p.mailbox.mu.Unlock()
		return len(p.mailbox.reports) >= n
	})
	p.mailbox.mu.Lock()
	defer p.mailbox.mu.Unlock()
	return p.mailbox.reports[n-1]
}

func (p *post) empty() {
	p.t.Helper()
	p.wait("an empty queue", func() bool {
		s, err := p.q.Stats(p.t.Context())
		return err == nil && s.Waiting == 0
	})
}
