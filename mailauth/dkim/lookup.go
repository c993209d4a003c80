package dkim

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Lookup is what stands in the DNS at a selector.
type Lookup struct {
	Name     world.Name     // selector._domainkey.domain
	Texts    []world.TXT    // every TXT record there
	Keys     []*Key         // one for every record, in the same order; Problems say which are none
	Security world.Security // of the answer
	Answer   *world.Answer  // nil when there was none
}

// Usable is the keys without a fatal problem. The standard leaves several records
// undefined (RFC 6376 section 3.6.2.2); one is how it should be.
func (l *Lookup) Usable() []*Key {
	var usable []*Key
	for _, k := range l.Keys {
		if _, bad := fatal(k.Problems); !bad {
			usable = append(usable, k)
		}
	}
	return usable
}

// maxKeys bounds the records read at one selector.
const maxKeys = 8

// KeyName is the DNS name of a selector (RFC 6376 section 3.6.2.1).
func KeyName(domain mail.Domain, selector string) (world.Name, error) {
	s, ok := parseSelector(selector)
	if !ok {
		return "", fmt.Errorf("%.80q is not a selector", selector)
	}
	return world.ParseName(s + "._domainkey." + domain.String() + ".")
}

// LookupKey asks for the keys of a selector. The error is that of the lookup, so
// that nothing there, no answer and a bogus answer stay different; records that
// are no keys are no error.
func LookupKey(ctx context.Context, r world.Resolver, domain mail.Domain, selector string) (*Lookup, error) {
	return lookupKey(ctx, r, domain, selector, nil)
}

// lookupKey is LookupKey for who has read some keys already.
func lookupKey(ctx context.Context, r world.Resolver, domain mail.Domain, selector string, known []*Key) (*Lookup, error) {
	name, err := KeyName(domain, selector)
	if err != nil {
		return &Lookup{}, fmt.Errorf("find the key: %w", err)
	}
	l := &Lookup{Name: name}
	texts, answer, err := world.LookupTXT(ctx, r, name)
	if err != nil {
		var failed *world.LookupError
		if errors.As(err, &failed) {
			l.Security = failed.Security
		}
		return l, err
	}
	l.Texts, l.Answer, l.Security = texts, answer, answer.Security
	for _, t := range texts[:min(len(texts), maxKeys)] {
		l.Keys = append(l.Keys, readKey(t.Text, known))
	}
	return l, nil
}

// readKey reads a record, unless it is one that was read already.
func readKey(record string, known []*Key) *Key {
	for _, k := range known {
		if k.Record == record {
			return k
		}
	}
	k, _ := ParseKey(record) // the problems stay with the key
	return k
}
