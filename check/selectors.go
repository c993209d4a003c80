package check

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/world"
)

//go:embed selectors.json
var selectorsJSON []byte

var commonSelectors = sync.OnceValue(func() []string {
	var doc struct{ Selectors []string }
	if err := json.Unmarshal(selectorsJSON, &doc); err != nil {
		panic("check: selectors.json: " + err.Error())
	}
	return doc.Selectors
})

// Selector is a DKIM selector of the domain and what stands there.
type Selector struct {
	Name   string
	Named  bool // by the person, not guessed
	Lookup *dkim.Lookup
	Err    error
}

// Selectors is what is known about a domain's DKIM keys.
type Selectors struct {
	Found   []Selector // with a record, and those that were named and have none
	Denied  error      // the proof that nothing at all stands below _domainkey
	Err     error      // why nobody knows
	Guessed int        // how many were tried
}

// InForce counts the keys that can verify a signature.
func (k Selectors) InForce() int {
	n := 0
	for _, sel := range k.Found {
		if sel.Err != nil {
			n++ // named, and missing or unseen: judged as such
			continue
		}
		for _, key := range sel.Lookup.Keys {
			if !key.Revoked {
				n++
			}
		}
	}
	return n
}

// Selectors are the named selectors, or what guessing finds. Nobody can list the
// selectors of a domain: that guessing finds none proves nothing, unless the name
// _domainkey itself does not exist, for then nothing below it does (RFC 8020).
func (s *Subject) Selectors(ctx context.Context) Selectors {
	return s.selectors.get(ctx, struct{}{}, s.findSelectors)
}

func (s *Subject) findSelectors(ctx context.Context) Selectors {
	if len(s.Options.Selectors) > 0 {
		return Selectors{Found: s.lookupSelectors(ctx, s.Options.Selectors, true)}
	}
	_, err := s.World.Lookup(ctx, world.NameOf(s.Domain()).Under("_domainkey"), dns.TypeTXT)
	switch {
	case errors.Is(err, world.ErrNoName):
		return Selectors{Denied: err}
	case err != nil && !isAbsence(err):
		return Selectors{Err: err}
	}
	guesses := commonSelectors()
	found := s.lookupSelectors(ctx, guesses, false)
	return Selectors{
		Found:   slices.DeleteFunc(found, func(sel Selector) bool { return sel.Err != nil }),
		Guessed: len(guesses),
	}
}

// atOnce bounds the lookups of one subject's guesses.
const atOnce = 16

func (s *Subject) lookupSelectors(ctx context.Context, names []string, named bool) []Selector {
	found := make([]Selector, len(names))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		running.Go(func() {
			lookup, err := dkim.LookupKey(ctx, s.World, s.Domain(), name)
			found[i] = Selector{name, named, lookup, err}
			<-slots
		})
	}
	running.Wait()
	return found
}
