package check

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoKeepsNothingThatAContextCutShort(t *testing.T) {
	var m memo[string, error]
	looks := 0
	look := func(ctx context.Context) error { looks++; return ctx.Err() }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.get(ended, "x", look); err == nil {
		t.Error("a look under an ended context saw something")
	}
	if err := m.get(t.Context(), "x", look); err != nil {
		t.Errorf("the next one was told %v", err)
	}
	if _ = m.get(t.Context(), "x", look); looks != 2 {
		t.Errorf("%d looks, want 2: what was seen is kept", looks)
	}
}

func TestMemoWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[string, error]
		go m.get(t.Context(), "x", func(context.Context) error { time.Sleep(time.Hour); return nil })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := m.get(ctx, "x", context.Context.Err)
		if waited := time.Since(began); waited != time.Second || err == nil {
			t.Errorf("left after %v with %v", waited, err)
		}
		time.Sleep(time.Hour) // for the one who looks
	})
}
