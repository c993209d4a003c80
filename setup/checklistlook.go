package setup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

// lookPatience bounds the whole look: the list is for a person who waits.
const lookPatience = 5 * time.Second

// Look sees what can be seen of the checklist, all at once, by asking the DNS. What did
// not answer is a Sight that is not Known.
func Look(ctx context.Context, w *world.World, f Facts) []Sight {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	l := &looker{Facts: f, world: w, lists: reputation.NewDirectory(reputation.Options{Now: w.Now})}
	var group sync.WaitGroup
	sights := make(chan Sight)
	for _, e := range entries() {
		for _, s := range f.subjects(e) {
			if e.See != "" {
				group.Go(func() { sights <- l.look(ctx, e, s) })
			}
		}
	}
	go func() { group.Wait(); close(sights) }()
	var all []Sight
	for s := range sights {
		all = append(all, s)
	}
	return all
}

// looker looks at one item after the other, many at a time.
type looker struct {
	Facts
	world *world.World
	lists *reputation.Directory
}

func (l *looker) look(ctx context.Context, e entry, s subject) Sight {
	seen := Sight{ID: e.ID, Subject: s.text}
	var err error
	switch e.See {
	case "dqs":
		seen.Done = l.DQSKey
	case "ptr":
		seen.Done, seen.Note, err = l.pointer(ctx, s)
	case "dnswl":
		seen.Done, seen.Note, err = l.listed(ctx, s)
	case "abuse.net":
		seen.Done, seen.Note, err = l.abuseNet(ctx, s)
	case "google":
		seen.Done, seen.Note, err = l.proof(ctx, s, "google-site-verification=")
	case "yahoo":
		seen.Done, seen.Note, err = l.proof(ctx, s, "yahoo-verification-key=")
	case "mail.ru":
		seen.Done, seen.Note, err = l.proof(ctx, s, "mailru-verification:")
	}
	seen.Known = err == nil
	if err != nil {
		seen.Done, seen.Note = false, "it could not be looked up: "+err.Error()
	}
	return seen
}

func (l *looker) addressOf(s subject) (Address, bool) {
	i := slices.IndexFunc(l.Addresses, func(a Address) bool { return a.IP.String() == s.text })
	if i < 0 {
		return Address{}, false
	}
	return l.Addresses[i], true
}

// pointer reports whether the PTR record has the name that the server says.
func (l *looker) pointer(ctx context.Context, s subject) (bool, string, error) {
	a, ok := l.addressOf(s)
	if !ok {
		return false, "", nil
	}
	names, _, err := world.LookupPTR(ctx, l.world, a.IP)
	switch {
	case errors.Is(err, world.ErrNotFound):
		return false, "there is no PTR record", nil
	case err != nil:
		return false, "", err
	case slices.Contains(names, world.NameOf(a.Name)):
		return true, "it names " + a.Name.String(), nil
	}
	var said []string
	for _, n := range names {
		said = append(said, strings.TrimSuffix(n.String(), "."))
	}
	return false, "today it names " + strings.Join(said, " and "), nil
}

var errList = errors.New("the list does not answer this resolver")

func (l *looker) listed(ctx context.Context, s subject) (bool, string, error) {
	a, ok := l.addressOf(s)
	list := l.lists.List("dnswl")
	if !ok || list == nil {
		return false, "", nil
	}
	switch answer := l.lists.LookupIP(ctx, l.world, list, a.IP); answer.Result {
	case reputation.Listed:
		return true, "it is listed", nil
	case reputation.Clean:
		return false, "it is not listed", nil
	}
	return false, "", errList
}

// abuseNet asks for the entry of a domain. There is an answer for every domain; its HINFO
// record tells whether it is an entry or a guess.
func (l *looker) abuseNet(ctx context.Context, s subject) (bool, string, error) {
	name, err := world.ParseName(s.text + ".contacts.abuse.net.")
	if err != nil {
		return false, "", err
	}
	answer, err := l.world.Lookup(ctx, name, dns.TypeHINFO)
	switch {
	case errors.Is(err, world.ErrNotFound):
		return false, "there is no entry", nil
	case err != nil:
		return false, "", err
	}
	for _, rr := range answer.Records {
		if info, ok := rr.(*dns.HINFO); ok && strings.EqualFold(info.Cpu, "lookup") {
			return true, "there is an entry", nil
		}
	}
	return false, "there is no entry, and postmaster is guessed", nil
}

// proof looks for the text by which a receiver knows whose domain it is.
func (l *looker) proof(ctx context.Context, s subject, prefix string) (bool, string, error) {
	d, err := mail.ParseDomain(s.text)
	if err != nil {
		return false, "", err
	}
	texts, _, err := world.LookupTXT(ctx, l.world, world.NameOf(d))
	if err != nil && !errors.Is(err, world.ErrNotFound) {
		return false, "", err
	}
	for _, t := range texts {
		if strings.HasPrefix(strings.ToLower(t.Text), prefix) {
			return true, "its proof stands in the zone", nil
		}
	}
	return false, "its proof does not stand in the zone", nil
}
