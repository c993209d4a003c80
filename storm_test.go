package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// parcel is a message that a client carries until everybody has it.
type parcel struct {
	number int
	size   int
	from   string
	left   []string // who has not got it, as far as the client knows
	tries  int
}

// attempt is one transaction, with a mark of its own in the message.
type attempt struct {
	mark    string // "p17.2": the second attempt with parcel 17
	size    int
	to      []string // who shares its fate: all but those refused before there was any data, or all of those
	fate    fate
	reply   mail.Reply // of a refusal
	at      string     // what it answered
	carrier int
	err     error // that ended the dialogue
}

// fate is what the client knows of an attempt.
type fate int

const (
	unsure   fate = iota // no answer came
	promised             // 250
	refused
)

func (f fate) String() string { return [...]string{"unsure", "promised", "refused"}[f] }

// storm is many clients that send side by side.
type storm struct {
	world    *world.World
	server   netip.Addr
	carriers sync.WaitGroup
	ending   chan struct{} // no new parcels any more

	mu       sync.Mutex
	parcels  int
	attempts []*attempt
	taken    int // attempts that were promised
	awaited  int
	reached  chan struct{} // closed when taken is awaited
	waiting  map[int]*parcel
}

func newStorm(t *testing.T, w *world.World, server netip.Addr) *storm {
	return &storm{world: w, server: server, ending: make(chan struct{}), waiting: map[int]*parcel{}}
}

// carriersIn of the storm bring mail from outside, carriersOut send as users.
const (
	carriersIn  = 16
	carriersOut = 3
)

// begin lets the carriers out.
func (s *storm) begin(ctx context.Context) {
	for n := range carriersIn + carriersOut {
		s.carriers.Go(func() {
			c := &carrier{storm: s, world: s.world, number: n}
			defer c.hangUp()
			if n >= carriersIn {
				c.login = shipCrew[n-carriersIn]
			}
			c.run(ctx)
		})
	}
}

// end waits until every parcel has come to everybody.
func (s *storm) end(t *testing.T) {
	t.Helper()
	close(s.ending)
	ended := make(chan struct{})
	go func() { s.carriers.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(longest):
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.waiting {
			t.Errorf("parcel %d of %d octets for %s: %d attempts", p.number, p.size, p.left, p.tries)
		}
		t.Fatal("there are clients who cannot get rid of their mail")
	}
}

// awaitTaken waits until so many more messages are promised.
func (s *storm) awaitTaken(t *testing.T, more int) {
	t.Helper()
	s.mu.Lock()
	s.awaited, s.reached = s.taken+more, make(chan struct{})
	reached := s.reached
	s.mu.Unlock()
	select {
	case <-reached:
	case <-time.After(longest):
		t.Fatalf("the server does not take %d messages", more)
	}
}

func (s *storm) note(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, a)
	if a.fate != promised {
		return
	}
	if s.taken++; s.taken == s.awaited {
		close(s.reached)
	}
}

// refusedForGood are the replies that told somebody never to come again.
func (s *storm) refusedForGood() (all []mail.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attempts {
		if a.fate == refused && a.reply.Code >= 500 {
			all = append(all, a.reply)
		}
	}
	return all
}

// pack makes the next parcel; nil when there is to be none.
func (s *storm) pack(login string) *parcel {
	select {
	case <-s.ending:
		return nil
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parcels++
	p := &parcel{number: s.parcels, size: 4 << 10, from: "somebody@client.example", left: shipCrew[:1]}
	s.waiting[p.number] = p
	if login != "" {
		p.from, p.left = login, []string{sinkFar}
		if p.number%8 == 0 {
			p.size = 200 << 10
		}
		return p
	}
	switch p.number % 20 {
	case 0:
		p.size = 200 << 10
	case 1, 2:
		p.left = shipCrew
	case 3:
		p.left, p.size = shipCrew, 200<<10
	case 4, 5, 6, 7:
		p.left = []string{shipAway}
	case 8:
		p.left = []string{shipCrew[0], shipAway}
	case 9:
		p.left, p.size = []string{shipAway}, 200<<10
	}
	return p
}

func (s *storm) delivered(p *parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, p.number)
}

// carrier is one client with one connection.
type carrier struct {
	storm  *storm
	world  *world.World
	number int
	login  string // empty: it comes from outside
	client *smtp.Client
}

// run carries parcels until there are no more, and the last has arrived.
func (c *carrier) run(ctx context.Context) {
	for p := c.storm.pack(c.login); p != nil; p = c.storm.pack(c.login) {
		for len(p.left) > 0 {
			if !c.connect(ctx) {
				return
			}
			c.carry(ctx, p)
		}
		c.storm.delivered(p)
	}
}

// connect has a connection, as soon as the server lives; false: the test ends.
func (c *carrier) connect(ctx context.Context) bool {
	for c.client == nil && ctx.Err() == nil {
		if client, err := c.dial(ctx); err == nil {
			c.client = client
			break
		}
		select {
		case <-time.After(time.Duration(5+rand.IntN(10)) * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (c *carrier) dial(ctx context.Context) (*smtp.Client, error) {
	port := uint16(25)
	if c.login != "" {
		port = 465
	}
	client, err := smtp.Dial(ctx, c.world, netip.AddrPortFrom(c.storm.server, port), smtp.ClientOptions{
		Name: "client.example", From: netip.AddrFrom4([4]byte{127, 12, 1, byte(1 + c.number)}), Timeout: time.Minute, DataTimeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	if err := c.enter(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// enter says what comes before the first message.
func (c *carrier) enter(ctx context.Context, client *smtp.Client) error {
	if c.login != "" {
		if err := client.Handshake(ctx, &tls.Config{InsecureSkipVerify: true}); err != nil {
			return err
		}
	}
	for _, say := range []func(context.Context) (mail.Reply, error){client.Greet, client.Hello, func(ctx context.Context) (mail.Reply, error) {
		if c.login == "" {
			return mail.Reply{Code: 250}, nil
		}
		return client.AuthPlain(ctx, c.login, shipPassword)
	}} {
		if reply, err := say(ctx); err != nil || !reply.IsPositive() {
			return fmt.Errorf("the greeting failed: %s, %w", reply, err)
		}
	}
	return nil
}

func (c *carrier) hangUp() {
	if c.client != nil {
		_ = c.client.Close()
		c.client = nil
	}
}

// carry tries once, and notes for each answer that some recipients have in common
// what it was. Those who have it are not tried again.
func (c *carrier) carry(ctx context.Context, p *parcel) {
	p.tries++
	a := &attempt{mark: fmt.Sprintf("p%d.%d", p.number, p.tries), size: p.size, to: slices.Clone(p.left), carrier: c.number}
	e := smtp.Envelope{From: mail.MustParseAddress(p.from)}
	for _, to := range p.left {
		e.To = append(e.To, smtp.Recipient{Address: mail.MustParseAddress(to)})
	}
	fates, err := c.client.Send(ctx, e, strings.NewReader(a.text(p)))
	if a.err = err; err != nil {
		c.hangUp()
	}
	a.conclude(p.left, fates)
	c.storm.note(a)
	if a.fate == promised {
		p.left = slices.DeleteFunc(slices.Clone(p.left), func(s string) bool { return slices.Contains(a.to, s) })
	}
	if a.fate == refused { // a moment, as the reply asked for
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
		c.reconnect(a.reply)
	}
}

// conclude draws the conclusions of the fates of all who were left. The end of the data
// is answered once for all that were not refused before it.
func (a *attempt) conclude(left []string, fates []smtp.Fate) {
	for i, f := range fates {
		switch {
		case f.Reply.IsZero():
		case f.Reply.IsPositive():
			a.fate = promised
		case f.At == endOfData:
			a.fate, a.reply, a.at = refused, f.Reply, f.At
		default:
			a.to = slices.DeleteFunc(a.to, func(s string) bool { return s == left[i] })
			a.reply, a.at = f.Reply, f.At
		}
	}
	if len(a.to) == 0 {
		a.fate, a.to = refused, slices.Clone(left)
	}
}

const endOfData = "the end of data" // of an smtp.Fate

// reconnect hangs up where the server is about to.
func (c *carrier) reconnect(r mail.Reply) {
	if r.Code == 421 {
		c.hangUp()
	}
}

// The message says itself what it must be.
const (
	markField = "X-Mark: "
	sizeField = "X-Size: "
)

func (a *attempt) text(p *parcel) string {
	return fmt.Sprintf("From: <%s>\r\nTo: undisclosed-recipients:;\r\nSubject: parcel\r\nDate: %s\r\nMessage-ID: <%s@client.example>\r\n%s%s\r\n%s%d\r\n\r\n%s",
		p.from, time.Now().Format(time.RFC1123Z), a.mark, markField, a.mark, sizeField, a.size, content(a.mark, a.size))
}

// content is the body of an attempt: each line has its mark, and no two are the
// same.
func content(mark string, size int) string {
	var b strings.Builder
	b.Grow(size + 100)
	random := rand.New(rand.NewPCG(uint64(len(mark)), uint64(size)))
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "%s/%d %016x%016x\r\n", mark, n, random.Uint64(), random.Uint64())
	}
	return b.String()
}

// readMark says which attempt a message comes from, and whether its body is whole.
func readMark(text string) (mark string, whole bool) {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	var size int
	for line := range strings.SplitSeq(head, "\r\n") {
		if m, ok := strings.CutPrefix(line, markField); ok {
			mark = m
		}
		if n, ok := strings.CutPrefix(line, sizeField); ok {
			_, _ = fmt.Sscan(n, &size)
		}
	}
	return mark, mark != "" && body == content(mark, size)
}
