package check

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateLetsOneInUnderAnyName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hosts
		leave, err := h.enter(t.Context(), "mx.example.com", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		for _, names := range [][]string{
			{"mx.example.com", "192.0.2.1"}, {"mx.example.com", "2001:db8::1"}, {"mx.example.net", "192.0.2.1"}, {"192.0.2.1"},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := h.enter(ctx, names...); err == nil {
				t.Errorf("%v has a second connection", names)
			}
			cancel()
		}
		if other, err := h.enter(t.Context(), "mx.example.net", "192.0.2.2"); err != nil {
			t.Errorf("another host waits: %v", err)
		} else {
			other()
		}
		leave()
		leave() // once more does no harm
		again, err := h.enter(t.Context(), "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		again()
		if len(h.gates) != 0 {
			t.Errorf("%d gates are left open", len(h.gates))
		}
	})
}

func TestGateIsShutWhenTheContextHasEnded(t *testing.T) {
	var h hosts
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // a select would let some in
		if _, err := h.enter(ctx, "mx.example.com", "192.0.2.1"); err == nil {
			t.Fatal("entered after the end")
		}
	}
	if len(h.gates) != 0 {
		t.Errorf("%d gates are left open", len(h.gates))
	}
}

func TestMayAskOnceUnderAnyName(t *testing.T) {
	var h hosts
	ask := func(names ...string) bool {
		first, _ := h.mayAsk("recipients", names[len(names)-1], names...)
		return first
	}
	if !ask("mx.example.com", "192.0.2.1") {
		t.Error("the first may ask")
	}
	if ask("192.0.2.1") || ask("mx.example.com", "2001:db8::1") || ask("mx.example.net", "192.0.2.1") {
		t.Error("a host was asked twice")
	}
	h.unask("recipients", "2001:db8::1", "mx.example.com", "2001:db8::1")
	if ask("mx.example.com", "2001:db8::1") {
		t.Error("one gave back what another asked")
	}
	h.unask("recipients", "192.0.2.1", "mx.example.com", "192.0.2.1")
	if !ask("mx.example.com", "192.0.2.1") {
		t.Error("what was given back may not be asked")
	}
	for i := range 3 * maxQuestions {
		h.mayAsk("x", "", time.Duration(i).String())
	}
	if n := len(h.asked) + len(h.askedFirst); n > 2*maxQuestions {
		t.Errorf("%d questions are remembered", n)
	}
}
