package receive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

var (
	noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours = mail.MustParseDomain("ours.example")
	host = mail.MustParseDomain("mx.ours.example")
	key  = srs.Key("0123456789abcdef")
)

var schemas = []store.Schema{journal.Schema, mailbox.Schema, queue.Schema, policy.Schema}

// house is a receiver with everything it needs: a store with three mailboxes, a DNS
// of its own, and a clock.
type house struct {
	t        testing.TB
	store    *store.Store
	zone     *zone
	clock    *clock
	world    *world.World
	receiver *receive.Receiver
	server   *smtp.Server
	in       *pipes
	log      *lockedBuffer
}

// clock stands still until somebody moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// people are the accounts; away leads elsewhere, both does both.
type people struct{}

var accounts = map[string]account.ID{"anna": 1, "bob": 2, "carl": 3}

func (people) Admin(*store.Tx, mail.Domain) (account.ID, error) { return 1, nil }

func (people) Resolve(_ *store.Tx, to mail.Address) (account.Destination, error) {
	if to.Domain != ours {
		return account.Destination{}, account.ErrNotLocal
	}
	forward := account.Forward{To: mail.MustParseAddress("away@else.example"), Owner: 2}
	local := strings.ToLower(to.Local)
	user, detail, _ := strings.Cut(local, "+")
	switch {
	case local == "away":
		return account.Destination{Forwards: []account.Forward{forward}}, nil
	case local == "both":
		return account.Destination{Mailboxes: []account.Target{{Account: 2, Address: mail.Address{Local: "bob", Domain: ours}}}, Forwards: []account.Forward{forward}}, nil
	case local == "abuse" && to.Local == "ABUSE": // read elsewhere; the owner is bob
		return account.Destination{Forwards: []account.Forward{forward}, Role: true}, nil
	case local == "postmaster" || local == "abuse":
		return account.Destination{Mailboxes: []account.Target{{Account: 1, Address: to}}, Role: true}, nil
	case local == "hostmaster":
		return account.Destination{Forwards: []account.Forward{forward}, Role: true}, nil
	case local == "ill":
		return account.Destination{}, errors.New("the directory is ill")
	case accounts[user] != 0:
		return account.Destination{Mailboxes: []account.Target{{Account: accounts[user], Address: mail.Address{Local: user, Domain: ours}, Folder: detail}}}, nil
	}
	return account.Destination{}, account.ErrNoMailbox
}

// newHouse opens a house; change may alter the options of its receiver.
func newHouse(t testing.TB, st *store.Store, change func(*receive.Options), server smtp.ServerOptions) *house {
	t.Helper()
	h := &house{t: t, store: st, zone: newZone(t, goodZone), clock: &clock{now: noon}, log: &lockedBuffer{}}
	h.world = &world.World{Resolver: h.zone, Clock: h.clock.Now}
	if err := st.Write(t.Context(), func(tx *store.Tx) error {
		for _, id := range accounts {
			if err := mailbox.Create(tx, int64(id)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	o := receive.Options{
		Store: st, World: h.world, Accounts: people{}, Hostname: host, Domains: []mail.Domain{ours},
		Accept: accept.New(accept.Options{Store: st, World: h.world, SRS: key}),
		SRS:    key, Marks: []byte("marks"), Blocklists: []string{}, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	r, err := receive.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.receiver = r
	server.Name, server.Open = host, r.Open
	if server.LMTP {
		server.Open = r.OpenLMTP
	}
	server.MaxSize = o.MaxSize
	h.server, h.in = smtp.NewServer(server), newPipes()
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(context.Background(), h.in) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
		r.Close()
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

// with is the house for another test.
func (h *house) with(t testing.TB) *house {
	other := *h
	other.t = t
	return &other
}

// pipes is a listener whose connections come from wherever the test says.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	gone  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), gone: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.gone) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 25), Port: 25} }

// pipe is one end, with an address.
type pipe struct {
	net.Conn
	remote, local net.Addr
}

func (p *pipe) RemoteAddr() net.Addr { return p.remote }
func (p *pipe) LocalAddr() net.Addr  { return p.local }

// dial connects from an address.
func (h *house) dial(from string) net.Conn {
	ours, theirs := net.Pipe()
	remote := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 40000))
	select {
	case h.in.conns <- &pipe{Conn: ours, remote: remote, local: h.in.Addr()}:
	case <-time.After(time.Minute):
		h.t.Fatal("the server does not accept")
	}
	return theirs
}

// box is what is in a folder: the bodies, oldest first.
func (h *house) box(user string, role mailbox.Role) []string {
	h.t.Helper()
	var bodies []string
	var folder mailbox.Folder
	var found []mailbox.Message
	err := h.store.Read(context.Background(), func(tx *store.Tx) (err error) {
		if folder, err = mailbox.FolderOf(tx, int64(accounts[user]), role); err == nil {
			found, err = mailbox.Messages(tx, folder.ID, 0, 100)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range found {
		body, err := mailbox.Open(context.Background(), h.store, folder.ID, m.UID)
		if err != nil {
			h.t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil || int64(len(text)) != m.Size {
			h.t.Fatalf("a body of %d octets has %d: %v", m.Size, len(text), err)
		}
		body.Close()
		bodies = append(bodies, string(text))
	}
	return bodies
}

// queued is what waits to be sent.
func (h *house) queued() []queue.Job {
	h.t.Helper()
	q := queue.New(h.store, queue.Options{})
	jobs, err := q.List(context.Background(), queue.Selection{All: true}, 0, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	return jobs
}

// events is the journal, oldest first, as "kind reason".
func (h *house) events() []string {
	h.t.Helper()
	var all []string
	err := h.store.Read(context.Background(), func(tx *store.Tx) error {
		found, err := journal.Search(tx, journal.Query{Limit: 1000})
		for _, e := range found {
			all = append(all, strings.TrimSpace(string(e.Kind)+" "+e.Fields["reason"]))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// zone is a DNS for tests: records as master files have them.
type zone struct {
	mu      sync.Mutex
	records map[world.Name][]dns.RR
	down    bool // nothing answers
}

const goodZone = `
1.2.0.192.in-addr.arpa. 60 IN PTR mail.sender.example.
mail.sender.example. 60 IN A 192.0.2.1
mail.sender.example. 60 IN TXT "v=spf1 a -all"
sender.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.sender.example. 60 IN TXT "v=DMARC1; p=reject"
66.2.0.192.in-addr.arpa. 60 IN PTR mail.forger.example.
mail.forger.example. 60 IN A 192.0.2.66
forger.example. 60 IN TXT "v=spf1 ip4:192.0.2.66 -all"
bank.example. 60 IN TXT "v=spf1 -all"
_dmarc.bank.example. 60 IN TXT "v=DMARC1; p=reject"
careful.example. 60 IN TXT "v=spf1 -all"
_dmarc.careful.example. 60 IN TXT "v=DMARC1; p=quarantine"
`

func newZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{records: map[world.Name][]dns.RR{}}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			z.add(t, line)
		}
	}
	return z
}

func (z *zone) add(t testing.TB, line string) {
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	name := world.MustParseName(rr.Header().Name)
	z.records[name] = append(z.records[name], rr)
}

func (z *zone) setDown(down bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.down = down
}

// Lookup answers from the lines.
func (z *zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	a := &world.Answer{Name: name, Type: qtype}
	if z.down {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary}
	}
	for _, rr := range z.records[name] {
		if rr.Header().Rrtype == qtype {
			a.Records = append(a.Records, rr)
		}
	}
	switch {
	case len(a.Records) > 0:
		return a, nil
	case len(z.records[name]) > 0:
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData}
	}
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName}
}
