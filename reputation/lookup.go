package reputation

import (
	"cmp"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits of one answer, so that a hostile list cannot fill a report.
const (
	maxCodes  = 32  // addresses of one answer
	maxTexts  = 4   // TXT records
	maxText   = 400 // octets of each
	listsOnce = 16  // lists asked at the same time
)

// question is one subject put to one list.
type question struct {
	list    *List
	labels  string // what stands before the zone
	subject string
	ipv6    bool
	brief   bool // the reason of a listing is not wanted
}

// LookupIP asks one list about an address. It never fails: what went wrong is
// Unknown, with its reason.
func (d *Directory) LookupIP(ctx context.Context, r world.Resolver, l *List, ip netip.Addr) Answer {
	ip = ip.Unmap().WithZone("")
	if !l.Asks(OfIP) || !ip.IsValid() {
		return d.unknown(Answer{List: l, Subject: ip.String()}, NoSuchQuery, "question", "it is not about addresses")
	}
	return d.ask(ctx, r, question{list: l, labels: world.ReverseLabels(ip), subject: ip.String(), ipv6: ip.Is6()})
}

// LookupDomain asks one list about a domain or host name.
func (d *Directory) LookupDomain(ctx context.Context, r world.Resolver, l *List, name mail.Domain) Answer {
	if !l.Asks(OfDomain) || name.IsZero() {
		return d.unknown(Answer{List: l, Subject: name.String()}, NoSuchQuery, "question", "it is not about domains")
	}
	return d.ask(ctx, r, question{list: l, labels: name.String(), subject: name.String()})
}

// LookupEmail asks one list about a mail address, of which only a digest goes out.
func (d *Directory) LookupEmail(ctx context.Context, r world.Resolver, l *List, a mail.Address) Answer {
	if !l.Asks(OfEmail) || a.IsZero() {
		return d.unknown(Answer{List: l, Subject: a.String()}, NoSuchQuery, "question", "it is not about mail addresses")
	}
	digest := fmt.Sprintf("%x", sha1.Sum([]byte(strings.ToLower(a.String()))))
	return d.ask(ctx, r, question{list: l, labels: digest, subject: a.String()})
}

// CheckIP asks every list about an address, all at once, heaviest first in the
// result. Lists that only a web page can ask, and for an IPv6 address those that
// know none, are left out; lists for which a key is missing say so.
func (d *Directory) CheckIP(ctx context.Context, r world.Resolver, ip netip.Addr) []Answer {
	ip = ip.Unmap()
	return d.checkAll(OfIP, ip.Is6(), func(l *List) Answer { return d.LookupIP(ctx, r, l, ip) })
}

// CheckDomain asks every domain list about a name.
func (d *Directory) CheckDomain(ctx context.Context, r world.Resolver, name mail.Domain) []Answer {
	return d.checkAll(OfDomain, false, func(l *List) Answer { return d.LookupDomain(ctx, r, l, name) })
}

func (d *Directory) checkAll(s Subject, ipv6 bool, ask func(*List) Answer) []Answer {
	var lists []*List
	for _, l := range d.Lists() {
		if l.Asks(s) && l.Access != WebOnly && (!ipv6 || l.IPv6 || l.Zone6 != "") {
			lists = append(lists, l)
		}
	}
	answers := make([]Answer, len(lists))
	var wg sync.WaitGroup
	slots := make(chan struct{}, listsOnce)
	for i, l := range lists {
		slots <- struct{}{}
		wg.Go(func() {
			answers[i] = ask(l)
			<-slots
		})
	}
	wg.Wait()
	slices.SortStableFunc(answers, func(a, b Answer) int { return cmp.Compare(b.List.Weight, a.List.Weight) })
	return answers
}

// ask puts the question, and believes the answer when the control points allow it.
func (d *Directory) ask(ctx context.Context, r world.Resolver, q question) Answer {
	a := Answer{List: q.list, Subject: q.subject}
	zone, key := d.zoneOf(q.list, q.ipv6)
	a.Keyed = key != ""
	if zone == "" {
		return d.unaskable(a, q)
	}
	name, err := world.ParseName(q.labels + "." + zone)
	if err != nil {
		return d.unknown(a, NoSuchQuery, "question", "the question is too long for a DNS name")
	}
	ips, raw, err := lookupCodes(ctx, r, name, key)
	a.Raw = []string{raw}
	if err != nil && !errors.Is(err, world.ErrNotFound) {
		return d.unknown(a, NoAnswer, "network", mask(err.Error(), key))
	}
	seen := d.read(q.list, ips)
	a.Codes = seen.codes
	if seen.why != "" {
		return d.unknown(a, seen.why, seen.cause, seen.detail)
	}
	control := d.control(ctx, r, q.list, q.ipv6)
	if why := control.doubts(len(ips) > 0); why != "" {
		a.Raw = append(a.Raw, control.Raw...)
		return d.unknown(a, why, control.Cause, control.Detail)
	}
	a.Result = seen.result
	if a.Result == Listed && !q.brief {
		a.Text = lookupReason(ctx, r, name)
	}
	return a
}

// unaskable says why there is no zone to ask.
func (d *Directory) unaskable(a Answer, q question) Answer {
	switch {
	case q.ipv6 && !q.list.IPv6 && q.list.Zone6 == "":
		return d.unknown(a, NoSuchQuery, "question", "it does not know IPv6")
	case q.list.KeyZone != "":
		return d.unknown(a, NeedsKey, "key", "it answers only those who have a key")
	}
	return d.unknown(a, NoSuchQuery, "question", "it cannot be asked by DNS")
}

func (d *Directory) unknown(a Answer, why Reason, cause, detail string) Answer {
	a.Result, a.Why, a.Cause, a.Detail = Unknown, why, cause, detail
	a.Cure = d.cures[cause]
	return a
}

// lookupCodes asks for the addresses of a list entry, and writes down what was
// seen. A key in the name is a secret of its owner and is masked.
func lookupCodes(ctx context.Context, r world.Resolver, name world.Name, key string) (ips []netip.Addr, raw string, err error) {
	ips, answer, err := world.LookupA(ctx, r, name)
	if err != nil {
		if le, ok := errors.AsType[*world.LookupError](err); ok {
			return nil, mask(le.Evidence(), key), err
		}
		return nil, mask(err.Error(), key), err
	}
	ips = ips[:min(len(ips), maxCodes)]
	raw = fmt.Sprintf("%s A: %s", name, strings.Trim(fmt.Sprint(ips), "[]"))
	if answer.Server.IsValid() {
		raw += " from " + answer.Server.Addr().String()
	}
	return ips, mask(raw, key), nil
}

func mask(s, key string) string {
	if key == "" {
		return s
	}
	return strings.ReplaceAll(s, key, "{key}")
}

// lookupReason asks for the text of a listing. Its absence is no error.
func lookupReason(ctx context.Context, r world.Resolver, name world.Name) []string {
	texts, _, err := world.LookupTXT(ctx, r, name)
	if err != nil {
		return nil
	}
	var out []string
	for _, t := range texts[:min(len(texts), maxTexts)] {
		out = append(out, plain(t.Text))
	}
	return out
}

// plain makes foreign text harmless: one line, no control characters, not long.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), maxText)], "?"))
	return strings.TrimSpace(s)
}

// exists asks whether a zone is there at all, for lists without control points.
func exists(ctx context.Context, r world.Resolver, zone world.Name) error {
	_, err := r.Lookup(ctx, zone, dns.TypeSOA)
	if errors.Is(err, world.ErrNoData) {
		return nil
	}
	return err
}
