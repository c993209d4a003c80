package world

import (
	"context"
	"testing"

	"github.com/miekg/dns"
)

// BenchmarkRecalled is a lookup answered from memory.
func BenchmarkRecalled(b *testing.B) {
	w := signedInternet(b).world(Options{})
	ctx := context.Background()
	for b.Loop() {
		if _, err := w.Lookup(ctx, "www.secure.test.", dns.TypeA); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSecure is a lookup in a zone whose keys are known: one question over
// loopback, one ECDSA signature. The authority's signing is part of the time.
func BenchmarkSecure(b *testing.B) {
	w := signedInternet(b).world(Options{})
	c := w.Resolver.(*client)
	ctx := context.Background()
	q := question{"www.secure.test.", dns.TypeA}
	for b.Loop() {
		t, failed := c.follow(ctx, q)
		if failed != nil {
			b.Fatal(failed)
		}
		if v, err := c.validator.validate(ctx, t); err != nil || v.security != Secure {
			b.Fatal(v, err)
		}
		c.responses.mu.Lock()
		c.responses.forget(c.responses.byKey[q])
		c.responses.mu.Unlock()
	}
}

// BenchmarkValidate is the judgement alone, of an answer that is there.
func BenchmarkValidate(b *testing.B) {
	w := signedInternet(b).world(Options{})
	c := w.Resolver.(*client)
	ctx := context.Background()
	for _, name := range []Name{"www.secure.test.", "none.secure.test.", "www.rsa.test.", "none.rsa.test."} {
		b.Run(string(name), func(b *testing.B) {
			t, failed := c.follow(ctx, question{name, dns.TypeA})
			if failed != nil {
				b.Fatal(failed)
			}
			for b.Loop() {
				if v, err := c.validator.validate(ctx, t); err != nil || v.security != Secure {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// BenchmarkCold is a secure lookup by a client that knows nothing: six questions,
// three key sets.
func BenchmarkCold(b *testing.B) {
	a := signedInternet(b)
	ctx := context.Background()
	for b.Loop() {
		if _, err := a.world(Options{}).Lookup(ctx, "www.secure.test.", dns.TypeA); err != nil {
			b.Fatal(err)
		}
	}
}
