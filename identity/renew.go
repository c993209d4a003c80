package identity

import (
	"context"
	"errors"
	"time"
)

// lookEvery is how often certificates, files and facts are looked at.
const lookEvery = 10 * time.Minute

// Run keeps everything as it should be until the context ends: certificates are
// fetched and renewed, files read again, and what another process changed is taken
// over. It gives the context's error.
func (i *Identity) Run(ctx context.Context) error {
	watch := i.store.Watch(topic)
	defer watch.Close()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-i.restated: // also by Open
			i.complain(i.Refresh(ctx))
		case <-watch.C():
			i.complain(i.reload(ctx))
		case <-tick.C:
			i.complain(i.Refresh(ctx))
		}
	}
}

func (i *Identity) complain(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		i.log.Error("keep the identity", "error", err)
	}
}

// Refresh is one look at everything: what Run does every ten minutes.
func (i *Identity) Refresh(ctx context.Context) error {
	i.refreshing.Lock()
	defer i.refreshing.Unlock()
	err := errors.Join(i.findSigned(ctx), i.renewCertificates(ctx))
	return errors.Join(err, i.reload(ctx))
}
