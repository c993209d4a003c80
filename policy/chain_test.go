package policy

import (
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// TestRelayIsFirst: no option moves the first line of the chain.
func TestRelayIsFirst(t *testing.T) {
	d := []mail.Domain{mail.MustParseDomain("ours.example")}
	for _, o := range []Options{
		{Domains: d}, {Domains: d, Strict: true}, {Domains: d, OneByOne: true}, {Domains: d, Greylist: &store.Store{}},
		{Domains: d, Limits: Limits{Connections: -1, NetworkConnections: -1, PerMinute: -1, Refusals: -1}},
	} {
		p := &Policy{o: o, weights: loadWeights()}
		chain := p.makeChain()
		if first, ok := chain[0].stage.(*relay); !ok || chain[0].at != Rcpt || chain[0].strangers || len(first.domains) != 1 {
			t.Errorf("with %+v the chain begins with %s", o, chain[0].stage.Name())
		}
		if len(chain) > 64 {
			t.Error("the stages of MAIL are remembered in 64 bits")
		}
	}
}
