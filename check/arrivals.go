package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/probe"
)

// arrivals is where the probe mail of a run comes in: one listener for all hosts,
// started when somebody first wants a token, and closed when the last target is
// done.
type arrivals struct {
	mu       sync.Mutex
	runs     int
	begun    bool
	listener *probe.Listener
	err      error
}

// enter keeps the listener, should there be one, until leave.
func (a *arrivals) enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs++
}

// leave closes the listener behind the last who entered.
func (a *arrivals) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.runs--; a.runs > 0 {
		return
	}
	if a.listener != nil {
		_ = a.listener.Close()
	}
	a.listener, a.err, a.begun = nil, nil, false
}

// get is the listener, started by the first who asks.
func (a *arrivals) get(start func() (*probe.Listener, error)) (*probe.Listener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.begun {
		a.begun = true
		a.listener, a.err = start()
	}
	return a.listener, a.err
}

// errNoProbe says that probe mail has nowhere to go.
var errNoProbe = errors.New("there is no probe domain: name one whose MX is this machine with --probe-domain, and the address to listen on with --probe-listener")

// probeSite is the probe domain and the address of its MX on this machine: what the
// person says, else what a made world has.
func (s *Subject) probeSite() (mail.Domain, netip.Addr, error) {
	if !s.Options.ProbeDomain.IsZero() {
		at := s.Options.ProbeListener
		if !at.IsValid() {
			at = netip.IPv4Unspecified()
		}
		return s.Options.ProbeDomain, at, nil
	}
	if s.World.Probe.Domain == "" {
		return mail.Domain{}, netip.Addr{}, errNoProbe
	}
	d, err := mail.ParseDomain(s.World.Probe.Domain)
	if err != nil {
		return mail.Domain{}, netip.Addr{}, fmt.Errorf("the probe domain of this world: %w", err)
	}
	return d, s.World.Probe.Listen, nil
}

// listener is where probe mail of this run arrives: errNoProbe where nobody said, or
// why it cannot listen.
func (s *Subject) listener(ctx context.Context) (*probe.Listener, error) {
	d, at, err := s.probeSite()
	if err != nil {
		return nil, err
	}
	return s.arrivals.get(func() (*probe.Listener, error) {
		l, err := s.listen(ctx, d, at)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoListener, err)
		}
		return l, nil
	})
}

// errNoListener says that probe mail could not be taken in.
var errNoListener = errors.New("probe mail cannot be seen to arrive")

// How long another audit may hold the port, and how often it is tried.
const (
	portPatience = 5 * time.Second
	portPause    = 100 * time.Millisecond
)

// listen takes the port, or waits a little for another audit on this machine to give
// it back.
func (s *Subject) listen(ctx context.Context, d mail.Domain, at netip.Addr) (*probe.Listener, error) {
	waiting, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	again := time.NewTicker(portPause)
	defer again.Stop()
	for {
		l, err := probe.Listen(context.WithoutCancel(ctx), s.World, d, at) // the run closes it, not this target
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-again.C:
		case <-waiting.Done():
			return nil, err
		}
	}
}

// How long an arrival may take behind the last message. A host on this machine
// answers at once, unless the machine is busy; then our visit took long as well. One
// out there has a queue.
const (
	patienceHere   = 500 * time.Millisecond
	patienceVisits = 10 // and as many visits
	patienceBusy   = 5 * time.Second
	patienceThere  = 30 * time.Second
)

// patience is how long arrivals from a host are waited for.
func (s *Subject) patience(ctx context.Context, host netip.Addr) time.Duration {
	if !s.World.IsLoopback(host) {
		return patienceThere
	}
	visit := s.Visit(ctx, host)
	return min(patienceHere+patienceVisits*(visit.Elapsed-visit.Greeting), patienceBusy)
}

// probeSender is the reverse-path of probes that must have one. A live address of
// the probe domain is best, for a host may ask there whether it exists; without
// one, ours where our EHLO name is a domain, else one at the reserved domain.
func (s *Subject) probeSender(ctx context.Context) mail.Address {
	if l, err := s.listener(ctx); err == nil {
		if t := l.Issue(); t != (probe.Token{}) {
			return t.Address()
		}
	}
	if d, err := mail.ParseDomain(s.Options.helo()); err == nil {
		return mail.Address{Local: "postmaster", Domain: d}
	}
	return mail.Address{Local: "probe", Domain: outsider.Domain}
}
