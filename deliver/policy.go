package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// refreshPolicy is when a policy that still lasts is fetched anew (RFC 8461 section
// 3.3 recommends once a day).
const refreshPolicy = 24 * time.Hour

// policies keeps the MTA-STS policies of other domains.
type policies struct {
	store *store.Store
	world *world.World
	log   *slog.Logger
}

// kept is a policy as the store has it.
type kept struct {
	id               string
	body             []byte
	fetched, expires time.Time
}

// errMemory says that it could not be read what was kept.
var errMemory = errors.New("what is remembered of the domain cannot be read")

// lookup is the policy to act on: the one kept, unless the domain shows a newer one.
// A policy that lasts is not undone by hiding its record or its page (RFC 8461
// section 5.1).
func (p *policies) lookup(ctx context.Context, d mail.Domain) route.STS {
	now := p.world.Now()
	have, err := p.read(ctx, d)
	if err != nil {
		// Without knowing what was kept, sending could break a policy: temporary.
		return route.STS{Domain: d, RecordErr: fmt.Errorf("%w: %w: %w", world.ErrBogus, errMemory, err)}
	}
	lasts := have.expires.After(now)
	sts := route.LookupSTSRecord(ctx, p.world, d)
	shown := sts.RecordErr == nil && len(sts.Records) == 1 && !route.HasFatal(sts.RecordProblems)
	switch {
	case !shown && lasts:
		return have.sts(d)
	case !shown:
		return sts
	case lasts && sts.Record.ID == have.id && now.Sub(have.fetched) < refreshPolicy:
		return have.sts(d)
	}
	sts.Body, sts.FetchErr = route.FetchSTSPolicy(ctx, p.world, d)
	if sts.FetchErr == nil {
		sts.Policy, sts.PolicyProblems = route.ParseSTSPolicy(sts.Body)
	}
	if !sts.Usable() && lasts {
		return have.sts(d)
	}
	if sts.Usable() {
		p.keep(ctx, d, &sts, now)
	}
	return sts
}

// sts is a kept policy as if it had just been fetched.
func (k *kept) sts(d mail.Domain) route.STS {
	s := route.STS{Domain: d, Records: []string{"v=STSv1; id=" + k.id + ";"}, Record: route.STSRecord{ID: k.id}, Body: k.body}
	s.Policy, s.PolicyProblems = route.ParseSTSPolicy(k.body)
	return s
}

func (p *policies) read(ctx context.Context, d mail.Domain) (k kept, err error) {
	err = p.store.Read(ctx, func(tx *store.Tx) error {
		var fetched, expires int64
		err := tx.Row(`SELECT id, body, fetched, expires FROM deliver_policy WHERE domain = $1`, d.String()).
			Scan(&k.id, &k.body, &fetched, &expires)
		k.fetched, k.expires = store.FromMicros(fetched), store.FromMicros(expires)
		return err
	})
	if errors.Is(err, store.ErrNoRow) {
		return kept{}, nil
	}
	return k, err
}

// keep writes a policy down. When that fails the policy holds for this message all
// the same, and is fetched again for the next.
func (p *policies) keep(ctx context.Context, d mail.Domain, s *route.STS, now time.Time) {
	err := p.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO deliver_policy (domain, id, body, fetched, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (domain) DO UPDATE SET id = excluded.id, body = excluded.body, fetched = excluded.fetched, expires = excluded.expires`,
			d.String(), s.Record.ID, s.Body, store.Micros(now), store.Micros(now.Add(s.Policy.MaxAge)))
		return err
	})
	if err != nil {
		p.log.Warn("an MTA-STS policy could not be kept", "domain", d, "error", err)
	}
}
