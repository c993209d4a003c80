package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// UpkeepOptions are what an Upkeep is made from. World and Identity are needed.
type UpkeepOptions struct {
	World    *world.World
	Identity *identity.Identity
	Provider zone.Provider // nil: a person publishes
	Reports  DMARCReports  // nil: none are known
	Tell     func(ctx context.Context, subject, text string)
	Log      *slog.Logger // nil: nowhere
}

// Upkeep does over months and years what setup begins: the DMARC policy of each domain
// climbs, and its DKIM keys are changed. Where nobody publishes for us it tells the
// operator what to do, once for each step. All that it remembers lies in identity.
type Upkeep struct {
	UpkeepOptions
	woken chan struct{}
}

// NewUpkeep is an upkeep that waits for Run or Look.
func NewUpkeep(o UpkeepOptions) *Upkeep {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(context.Context, string, string) {}
	}
	return &Upkeep{UpkeepOptions: o, woken: make(chan struct{}, 1)}
}

// upkeepEvery is how often each domain is looked at.
const upkeepEvery = time.Hour

// Run looks at every domain now, every hour, and when woken, until the context ends.
func (u *Upkeep) Run(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		for _, d := range u.Identity.Statement().Domains {
			if err := u.Look(ctx, d); err != nil && ctx.Err() == nil {
				u.Log.Info("the records of a domain were not looked after", "domain", d.String(), "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-u.woken:
		}
	}
}

// Wake has Run look at once: the configuration has changed.
func (u *Upkeep) Wake() {
	select {
	case u.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// Look does what is due for one domain.
func (u *Upkeep) Look(ctx context.Context, d mail.Domain) error {
	return errors.Join(u.lookDMARC(ctx, d), u.lookKeys(ctx, d))
}

// present reads names of a domain's zone: from who publishes, who knows best, else from
// the name servers.
func (u *Upkeep) present(ctx context.Context, d mail.Domain, names ...world.Name) (at world.Name, sets []zone.Set, err error) {
	at, err = zone.Apex(ctx, u.World, world.NameOf(d))
	if err != nil {
		return "", nil, err
	}
	if u.Provider != nil {
		sets, err = u.Provider.Read(ctx, at, names)
	} else {
		sets, err = zone.Look(ctx, u.World, at, names)
	}
	return at, sets, err
}

// write changes a zone, and says in the log what was there, so that it can be taken back.
func (u *Upkeep) write(ctx context.Context, at world.Name, changes []zone.Change) error {
	if err := u.Provider.Write(ctx, at, changes); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	for _, c := range changes {
		u.Log.Info("published", "name", c.After.Name.String(), "type", c.After.Type, "before", c.Before.Values, "after", c.After.Values)
	}
	return nil
}

// setOf is the set of a name and type among those present.
func setOf(present []zone.Set, name world.Name, kind string) zone.Set {
	for _, s := range present {
		if s.Name == name && s.Type == kind {
			return s
		}
	}
	return zone.Set{Name: name, Type: kind}
}

func textValue(text string) string { return finding.TXT("", text).Value }
