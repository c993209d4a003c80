package main

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"sync/atomic"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/mail"
)

// delivery is the one part that a reload stops and starts again, and only when what
// it goes by has changed: two of them would take the queue from each other.
type delivery struct {
	server  *server
	changed chan deliver.Options // of the next deliverer
	now     atomic.Pointer[deliver.Deliverer]
	options deliver.Options
}

// deliverOptions are what delivering goes by. HELO names follow reloads by
// themselves.
func (s *server) deliverOptions(ctx context.Context, c *config.Config) (deliver.Options, error) {
	o := deliver.Options{
		Store: s.store, Queue: s.queue, World: s.world, HELO: s.identity.HELO, Reports: &deliver.Owners{Store: s.store, World: s.world, Accounts: s.accounts, Accept: s.accept}, Alert: s.alertDelivery, Refused: s.noteRefused, Gate: s.gate.onDelivery, Log: s.log,
	}
	for _, a := range c.Egress() {
		o.Egress = append(o.Egress, a.IP)
		if s.world.IsElsewhere(ctx, a.IP) {
			o.Elsewhere = append(o.Elsewhere, a.IP)
			s.log.Info("mail leaves from an address that this machine has not itself", "address", a.IP, "taken for", "that of a translator in front of it")
		}
	}
	if sm := c.Deliver.Smarthost; sm.Host != "" {
		host, err := mail.ParseDomain(sm.Host)
		if err != nil {
			return o, fmt.Errorf("the smarthost %s needs a name, for its certificate is for a name: %w", sm.Host, err)
		}
		o.Smarthost = &deliver.Smarthost{Host: host, Port: sm.Port, ImplicitTLS: sm.Port == 465, User: sm.User, Password: string(sm.Password)}
	}
	return o, nil
}

// noteRefused tells submission who writes to addresses that do not exist.
func (s *server) noteRefused(ctx context.Context, origin string, recipients int) {
	if err := s.now.Load().submit.NoteRefusals(ctx, origin, recipients); err != nil {
		s.log.Warn("refusals could not be counted", "origin", origin, "recipients", recipients, "error", err)
	}
}

func newDelivery(s *server, o deliver.Options) *delivery {
	d := &delivery{server: s, options: o, changed: make(chan deliver.Options, 1)}
	d.now.Store(deliver.New(o))
	return d
}

// sameDelivery reports whether a deliverer can go on with these options.
func sameDelivery(a, b deliver.Options) bool {
	same := func(x, y []netip.Addr) bool { return reflect.DeepEqual(x, y) }
	return same(a.Egress, b.Egress) && same(a.Elsewhere, b.Elsewhere) && reflect.DeepEqual(a.Smarthost, b.Smarthost)
}

// run delivers until the context ends, with the latest options.
func (d *delivery) run(ctx context.Context) error {
	for ctx.Err() == nil {
		sending, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- d.now.Load().Run(sending) }()
		select {
		case o := <-d.changed:
			stop()
			if err := <-ended; err != nil {
				return err
			}
			d.now.Store(deliver.New(o))
		case err := <-ended:
			stop()
			return err
		}
	}
	return nil
}

// change has the next deliverer go by other options.
func (d *delivery) change(o deliver.Options) {
	if sameDelivery(d.options, o) {
		return
	}
	d.options = o
	select {
	case <-d.changed: // nobody has looked at the last change yet
	default:
	}
	d.changed <- o
}
