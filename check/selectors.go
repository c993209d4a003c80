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
	Unseen  error      // why one of the guesses is not known
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
	return s.guessSelectors(ctx)
}

// everySelector stands for a wildcard below _domainkey that holds a key.
const everySelector = "*"

// guessSelectors tries the usual selectors, and one that nobody uses: what answers
// there answers everywhere (RFC 4592), and is no key that somebody has published
// under the guessed name.
func (s *Subject) guessSelectors(ctx context.Context) Selectors {
	guesses := commonSelectors()
	found := s.lookupSelectors(ctx, append([]string{s.randomLabel()}, guesses...), false)
	wildcard, found := found[0], found[1:]
	known := Selectors{Guessed: len(guesses)}
	for _, sel := range append([]Selector{wildcard}, found...) {
		if sel.Err != nil && !isAbsence(sel.Err) {
			known.Unseen = sel.Err
		}
	}
	shadows := wildcard.Err == nil
	if shadows && wildcard.signs() {
		wildcard.Name = everySelector
		known.Found = append(known.Found, wildcard)
	}
	for _, sel := range found {
		switch {
		case sel.Err != nil, shadows && sel.sameAs(wildcard):
		case wildcard.Err != nil && !isAbsence(wildcard.Err) && !sel.signs(): // may be a wildcard's
		default:
			known.Found = append(known.Found, sel)
		}
	}
	return known
}

// signs reports whether a signature can be verified with what stands there.
func (sel Selector) signs() bool {
	return slices.ContainsFunc(sel.Lookup.Usable(), func(k *dkim.Key) bool { return !k.Revoked })
}

func (sel Selector) sameAs(other Selector) bool {
	return slices.Equal(sel.texts(), other.texts())
}

func (sel Selector) texts() []string {
	var texts []string
	for _, t := range sel.Lookup.Texts {
		texts = append(texts, t.Text)
	}
	slices.Sort(texts)
	return texts
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
