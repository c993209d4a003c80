package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits of the listener. It serves one run of checks and no more.
const (
	maxConnections = 16               // at once; more are told to come back
	maxTokens      = 1000             // live
	maxEvents      = 50               // of one token; later ones are dropped
	maxSession     = 2 * time.Minute  // from greeting to goodbye
	maxIdle        = 30 * time.Second // for one command
)

// Listener is the receiving end. It is safe for concurrent use.
type Listener struct {
	world    *world.World
	domain   mail.Domain
	socket   net.Addr // where it really listens
	cancel   context.CancelFunc
	closed   <-chan struct{}
	sessions sync.WaitGroup
	slots    chan struct{}

	mu      sync.Mutex
	tokens  map[string][]Event
	changed chan struct{} // closed and made anew with each event
}

// Listen takes port 25 of an address and serves until Close or the end of ctx.
func Listen(ctx context.Context, w *world.World, d mail.Domain, at netip.Addr) (*Listener, error) {
	inner, err := w.Listen(ctx, netip.AddrPortFrom(at, 25))
	if err != nil {
		return nil, fmt.Errorf("listening for probe mail: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Listener{world: w, domain: d, socket: inner.Addr(), cancel: cancel, closed: ctx.Done(), slots: make(chan struct{}, maxConnections),
		tokens: make(map[string][]Event), changed: make(chan struct{})}
	l.sessions.Go(func() { <-ctx.Done(); _ = inner.Close() }) // Close waits for that, too
	l.sessions.Go(func() { l.accept(ctx, inner.Accept) })
	return l, nil
}

// Close ends all sessions and waits for them. Tokens and events stay readable.
func (l *Listener) Close() error {
	l.cancel()
	l.sessions.Wait()
	return nil
}

// Domain is the probe domain.
func (l *Listener) Domain() mail.Domain { return l.domain }

// Issue makes a token. From now on mail for it is taken. It is the zero Token when
// a thousand are live already.
func (l *Listener) Issue() Token {
	t := newToken(l.domain)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tokens) >= maxTokens {
		return Token{}
	}
	l.tokens[t.secret] = nil
	return t
}

// Revoke ends a token: mail for it is refused again, and its events are gone.
func (l *Listener) Revoke(t Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tokens, t.secret)
}

// Events are the arrivals for a token so far, in order.
func (l *Listener) Events(t Token) []Event {
	events, _ := l.look(t)
	return events
}

func (l *Listener) look(t Token) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tokens[t.secret]), l.changed
}

// Wait returns the arrivals for a token as soon as one of these kinds is among them,
// any when none is named; at the latest at the time until (of the world), or when
// ctx ends or the listener closes, with whatever there is. A callout is an arrival
// once its session ended without a message.
func (l *Listener) Wait(ctx context.Context, t Token, until time.Time, kinds ...Kind) []Event {
	timer := time.NewTimer(until.Sub(l.world.Now()))
	defer timer.Stop()
	for {
		events, changed := l.look(t)
		if slices.ContainsFunc(events, func(e Event) bool { return len(kinds) == 0 || slices.Contains(kinds, e.Kind) }) {
			return events
		}
		select {
		case <-changed:
		case <-timer.C:
			return events
		case <-ctx.Done():
			return events
		case <-l.closed:
			return events
		}
	}
}

// live finds the token of an address: in our domain, issued and not revoked. The
// local part may come in any case, as some hosts change it.
func (l *Listener) live(a mail.Address) (Token, bool) {
	t := Token{strings.ToLower(a.Local), l.domain}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.tokens[t.secret]
	return t, ok && a.Domain == l.domain && !a.Literal.IsValid()
}

func (l *Listener) record(t Token, e Event) {
	e.At, e.From = l.world.Now(), e.Reverse.String()
	l.mu.Lock()
	defer l.mu.Unlock()
	events, ok := l.tokens[t.secret]
	if !ok || len(events) >= maxEvents {
		return
	}
	l.tokens[t.secret] = append(events, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Listener) accept(ctx context.Context, next func() (net.Conn, error)) {
	for {
		conn, err := next()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			return // the socket is gone; Wait ends by its time
		}
		select {
		case l.slots <- struct{}{}:
			l.sessions.Go(func() {
				defer func() { <-l.slots }()
				l.serve(ctx, conn)
			})
		default:
			conn.SetDeadline(time.Now().Add(time.Second)) // deadline
			conn.Write([]byte("421 4.7.0 too many connections\r\n"))
			conn.Close()
		}
	}
}

// serve holds one session, which ends with the listener.
func (l *Listener) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, maxSession)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	newSession(l, conn).run()
}
