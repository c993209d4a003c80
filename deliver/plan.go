package deliver

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

const (
	keepPlan = 5 * time.Minute
	maxPlans = 10000
)

// plans remembers ways for minutes, so that a thousand messages for one domain ask
// once. Answers that fail are not remembered, and a plan that led nowhere is
// forgotten.
type plans struct {
	mu   sync.Mutex
	kept map[string]keptPlan
}

type keptPlan struct {
	plan *route.Plan
	at   time.Time // monotonic
}

func (p *plans) get(destination string) *route.Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.kept[destination]
	if !ok || time.Since(k.at) > keepPlan { // elapsed
		return nil
	}
	return k.plan
}

func (p *plans) put(destination string, plan *route.Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[string]keptPlan{}
	}
	for old := range p.kept { // any of them: it costs one lookup
		if len(p.kept) < maxPlans {
			break
		}
		delete(p.kept, old)
	}
	p.kept[destination] = keptPlan{plan, time.Now()} // elapsed
}

func (p *plans) forget(destination string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.kept, destination)
}

// planTimeout bounds all lookups for one domain.
const planTimeout = time.Minute

// plan finds out where the mail for a destination goes, or why nowhere.
func (d *Deliverer) plan(ctx context.Context, destination string) (*route.Plan, *trouble) {
	if plan := d.plans.get(destination); plan != nil {
		return plan, nil
	}
	if ip, ok := literal(destination); ok {
		return literalPlan(ip), nil
	}
	domain, err := mail.ParseDomain(destination)
	if err != nil {
		return nil, permanent(code(5, 1, 2), "%s is no domain", destination)
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	plan := route.RequirementUnder(ctx, d.options.World, domain, func(ctx context.Context) route.STS {
		return d.policies.lookup(ctx, domain)
	})
	if t := deadEnd(&plan); t != nil {
		return nil, t
	}
	d.doubts.heed(&plan, d.options.World.Now())
	for i := range plan.Needs {
		if plan.Needs[i].Level == route.Undetermined {
			return &plan, nil // not for long
		}
	}
	d.plans.put(destination, &plan)
	return &plan, nil
}

// deadEnd says why a domain has no host to try.
func deadEnd(p *route.Plan) *trouble {
	switch p.Kind {
	case route.Null:
		return permanent(code(5, 1, 10), "%s declares that it takes no mail (null MX, RFC 7505)", p.Domain)
	case route.Nowhere:
		if errors.Is(p.Err, world.ErrNoName) {
			return permanent(code(5, 1, 2), "the domain %s does not exist", p.Domain)
		}
		return permanent(code(5, 4, 4), "the domain %s has no mail server and no address", p.Domain)
	case route.Unknown:
		return temporary(code(4, 4, 3), "the mail servers of %s could not be found out: %s", p.Domain, p.Err)
	}
	return nil
}

func literalPlan(ip netip.Addr) *route.Plan {
	host := route.Exchanger{Name: world.Name("[" + ip.String() + "]")}
	if ip.Is4() {
		host.V4 = []netip.Addr{ip}
	} else {
		host.V6 = []netip.Addr{ip}
	}
	return &route.Plan{Exchangers: route.Exchangers{Kind: route.Implicit, Hosts: []route.Exchanger{host}},
		Needs: []route.Need{{Level: route.Opportunistic}}}
}
