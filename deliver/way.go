package deliver

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// way is one address that may take the mail, with all that must hold on it.
type way struct {
	destination string // whose TLS is remembered
	host        mail.Domain
	to          netip.AddrPort
	from        netip.Addr // ours; zero: the system's choice
	helo        string
	need        route.Need
	implicitTLS bool
	login       *Smarthost // not nil: log in
}

// name is the host for people.
func (w *way) name() string {
	if w.host.IsZero() {
		return w.to.Addr().String()
	}
	return w.host.String() + " [" + w.to.Addr().String() + "]"
}

// maxWays bounds how many addresses one attempt tries.
const maxWays = 10

// ways are the addresses for a destination in the order in which to try them.
func (d *Deliverer) ways(ctx context.Context, destination string, egress netip.Addr) ([]way, *trouble) {
	if d.options.Smarthost != nil {
		return d.smarthostWays(ctx, egress)
	}
	plan, t := d.plan(ctx, destination)
	if t != nil {
		return nil, t
	}
	order, t := d.hostsInOrder(plan)
	if t != nil {
		return nil, t
	}
	var all []way
	var last *trouble
	for _, i := range order {
		some, t := d.hostWays(plan, i, destination, egress)
		all = append(all, some...)
		if t != nil && (last == nil || !t.permanent) {
			last = t
		}
	}
	if len(all) == 0 {
		return nil, last
	}
	return all[:min(len(all), maxWays)], nil
}

// hostsInOrder puts hosts of equal preference in any order (RFC 5321 section 5.1) and
// leaves out those behind ourselves, which would send the mail round and round.
func (d *Deliverer) hostsInOrder(plan *route.Plan) ([]int, *trouble) {
	var order []int
	for i := range plan.Hosts {
		order = append(order, i)
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(plan.Hosts[a].Preference, plan.Hosts[b].Preference)
	})
	for n, i := range order {
		if !d.isOurself(&plan.Hosts[i]) {
			continue
		}
		preference := plan.Hosts[i].Preference
		order = slices.DeleteFunc(order[:n], func(j int) bool { return plan.Hosts[j].Preference >= preference })
		if len(order) == 0 {
			return nil, permanent(code(5, 4, 6), "the mail for %s would come back to this server: %s is this server itself",
				plan.Domain, plan.Hosts[i].Name.Text())
		}
		break
	}
	return order, nil
}

func (d *Deliverer) isOurself(host *route.Exchanger) bool {
	if name := d.options.HELO(netip.Addr{}); !name.IsZero() && host.Host == name {
		return true
	}
	for _, ip := range d.options.Egress {
		if slices.Contains(host.V4, ip) || slices.Contains(host.V6, ip) {
			return true
		}
	}
	return false
}

// hostWays are the addresses of one host that we can and may talk to.
func (d *Deliverer) hostWays(plan *route.Plan, i int, destination string, egress netip.Addr) ([]way, *trouble) {
	host, need := &plan.Hosts[i], plan.Needs[i]
	switch err := host.Err(); {
	case errors.Is(err, world.ErrNotFound), errors.Is(err, route.ErrNoHost):
		return nil, permanent(code(5, 4, 4), "the mail server of %s, %s, has no address", plan.Domain, host.Name.Text())
	case err != nil:
		return nil, temporary(code(4, 4, 3), "the address of the mail server %s could not be found out: %s", host.Name.Text(), err)
	case errors.Is(need.Err, errMemory):
		return nil, fromStore("%s", need.Err)
	case errors.Is(need.Err, errDoubt):
		t := temporary(code(4, 7, 5), "%s", need.Err)
		t.retryBy = d.options.World.Now().Add(retryDoubt)
		return nil, t
	case need.Level == route.Undetermined:
		return nil, temporary(code(4, 7, 5), "what TLS the mail server %s must show could not be found out: %v", host.Name.Text(), need.Err)
	case need.Level == route.Forbidden:
		return nil, temporary(code(4, 7, 5), "the mail server %s may not be used: %v", host.Name.Text(), need.Err)
	}
	var all []way
	var last *trouble
	for _, ip := range host.Addresses() {
		from, t := d.from(ip, egress)
		if t == nil && !d.options.World.IsPublic(ip) {
			t = permanent(code(5, 4, 4), "the mail server of %s has an address that is not on the Internet: %s", plan.Domain, ip)
		}
		if t != nil {
			last = t
			continue
		}
		all = append(all, way{destination: destination, host: host.Host, to: netip.AddrPortFrom(ip, 25), from: from,
			helo: d.options.HELO(from).String(), need: need})
	}
	return all, last
}

// from is the address of ours to talk to this one from.
func (d *Deliverer) from(to, egress netip.Addr) (netip.Addr, *trouble) {
	if egress.IsValid() {
		if egress.Is4() != to.Is4() {
			return netip.Addr{}, temporary(code(4, 4, 4), "this message leaves from %s, and the server has only %s", egress, to)
		}
		return egress, nil
	}
	if len(d.options.Egress) == 0 {
		return netip.Addr{}, nil
	}
	for _, ip := range d.options.Egress {
		if ip.Is4() == to.Is4() {
			return ip, nil
		}
	}
	return netip.Addr{}, temporary(code(4, 4, 4), "the server has only the address %s, and this server has none of that family", to)
}

// smarthostWays are the addresses of the one host that takes everything.
func (d *Deliverer) smarthostWays(ctx context.Context, egress netip.Addr) ([]way, *trouble) {
	s := d.options.Smarthost
	x := route.LookupExchanger(ctx, d.options.World, s.Host)
	if err := x.Err(); err != nil {
		return nil, temporary(code(4, 4, 3), "the address of the smarthost %s could not be found out: %s", s.Host, err)
	}
	need := route.Need{Level: route.Opportunistic, Names: []mail.Domain{s.Host}}
	if s.User != "" || s.ImplicitTLS {
		need.Level = route.WebPKI // a password goes to nobody unknown
	}
	var all []way
	var last *trouble
	for _, ip := range x.Addresses() {
		from, t := d.from(ip, egress)
		if t != nil {
			last = t
			continue
		}
		all = append(all, way{destination: s.Host.String(), host: s.Host, to: netip.AddrPortFrom(ip, cmp.Or(s.Port, 587)),
			from: from, helo: d.options.HELO(from).String(), need: need, implicitTLS: s.ImplicitTLS, login: s})
	}
	if len(all) == 0 {
		return nil, last
	}
	return all, nil
}

// literal reads a destination like "[192.0.2.1]".
func literal(destination string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(destination, "[")
	if !ok {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	return ip, err == nil
}
