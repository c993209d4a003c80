package check_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// dnsQuestion is a name and type.
type dnsQuestion struct {
	name  world.Name
	qtype uint16
}

// outage is a resolver that notes what it is asked and fails for one question.
type outage struct {
	world.Resolver
	fails dnsQuestion
	kind  error
	mu    sync.Mutex
	asked map[dnsQuestion]bool
}

func (o *outage) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	q := dnsQuestion{name, qtype}
	o.mu.Lock()
	o.asked[q] = true
	o.mu.Unlock()
	if q == o.fails {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: o.kind, Detail: "outage"}
	}
	return o.Resolver.Lookup(ctx, name, qtype)
}

// Whichever single question stays without an answer, or gets a forged one: nothing
// turns red or yellow by it, and what hangs on it is unknown.
func TestMessageThroughOutages(t *testing.T) {
	l := start(t, lab.Options{})
	base := l.World()
	another := mail.MustParseDomain("nsec3.example")
	unknown := map[string]bool{}
	for name, change := range map[string]func(*letter){
		"good":                     func(*letter) {},
		"one signature is another": func(l *letter) { l.signers[0].Domain = another },
		"all signatures are":       func(l *letter) { l.signers[0].Domain, l.signers[1].Domain = another, another },
		"one signature is broken":  func(l *letter) { l.signers[1].Selector = "gone" },
		"not signed":               func(l *letter) { l.signers = nil },
		"from elsewhere": func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "127.10.1.10", "127.10.84.10")
			l.received("from mx.green.example (mx.green.example", "from mx.nsec3.example (mx.nsec3.example")
		},
		"null reverse-path": func(l *letter) { l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "") },
		"cousin":            func(l *letter) { l.set("Reply-To", "x@green-mail.example") },
	} {
		made := goodLetter(t, time.Now())
		change(made)
		raw := made.bytes(t)
		judge := func(o *outage) *finding.Report {
			w := *base
			o.Resolver, o.asked = base.Resolver, map[dnsQuestion]bool{}
			w.Resolver = o
			return checkMessage(t, &w, raw, check.Options{Only: []string{"message", "spf", "dkim", "dmarc", "rdns", "helo"}})
		}
		all := &outage{}
		known := troubles(judge(all))
		for q := range all.asked {
			for _, kind := range []error{world.ErrTemporary, world.ErrBogus} {
				for _, f := range judge(&outage{fails: q, kind: kind}).Findings {
					trouble := fmt.Sprintf("%s %s %s", f.Status, f.Check, f.Code)
					switch {
					case f.Status == finding.Unknown:
						unknown[f.Check] = true
					case f.Status != finding.Green && f.Status != finding.Skip && !slices.Contains(known, trouble):
						t.Errorf("%s, without an answer to %s %s (%s): %s: %s", name, q.name, world.TypeName(q.qtype), kind, trouble, f.Summary)
					}
				}
			}
		}
	}
	for _, id := range []string{"spf.message", "rdns.client", "helo.client", "message.from-domain", "message.path", "dmarc.message", "dkim.signature", "dkim.alignment"} {
		if !unknown[id] {
			t.Errorf("%s was never unknown", id)
		}
	}
}
