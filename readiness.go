package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// questions are what must hold for mail to come here, and what a person should know.
func (s *server) questions() []web.Question {
	return []web.Question{
		{Name: "store", Ask: s.askStore},
		{Name: "certificates", Ask: s.askCertificates},
		{Name: "queue", Ask: s.askQueue},
		{Name: "edge", Ask: s.edge.ask, Advisory: true},
		{Name: "gate", Ask: s.gate.ask, Advisory: true},
		{Name: "watch", Ask: s.askWatch, Advisory: true},
	}
}

func (s *server) readiness(ctx context.Context) web.Readiness { return web.Ready(ctx, s.questions()) }

// askStore wants room, and a commit that gets through.
func (s *server) askStore(ctx context.Context) error {
	if _, err := s.store.Room(ctx); err != nil {
		return err
	}
	return s.store.Write(ctx, func(tx *store.Tx) error { return tx.Lock("readiness") })
}

// askCertificates wants one for every name that others believe. Where none was ever
// asked of anybody, a self-signed one is what was wanted.
func (s *server) askCertificates(context.Context) error {
	var errs []error
	for _, h := range s.identity.Health() {
		switch {
		case h.Convenience: // no mail waits for it
		case h.Fallback:
			errs = append(errs, fmt.Errorf("%s has only a self-signed certificate: %s", h.Name, h.Problem))
		case !s.world.Now().Before(h.Expires):
			errs = append(errs, fmt.Errorf("the certificate of %s has expired", h.Name))
		}
	}
	return errors.Join(errs...)
}

// stuck is how long after its time a message may wait before the queue does not
// move any more.
const stuck = 15 * time.Minute

// askQueue wants our leases to hold, so that what waits is sent.
func (s *server) askQueue(ctx context.Context) error {
	if !s.queue.Alive() {
		return errors.New("this process may not deliver at the moment: its leases in the queue did not get through")
	}
	late, err := s.queue.Overdue(ctx)
	if err == nil && late > stuck {
		err = fmt.Errorf("messages wait %s after their time: nothing is being sent", late.Round(time.Minute))
	}
	return err
}

// status is how the server is, for the administrator.
func (s *server) status(ctx context.Context) (web.ServerStatus, error) {
	now := s.now.Load()
	status := web.ServerStatus{Hostname: now.settings.Hostname.String(), Started: s.started.UTC(), Listeners: now.sockets(), Readiness: s.readiness(ctx)}
	for _, d := range now.settings.Domains {
		status.Domains = append(status.Domains, d.String())
	}
	return status, nil
}
