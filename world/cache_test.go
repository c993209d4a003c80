package world

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func give(value string, ttl time.Duration, cost int) func(context.Context) filled[string] {
	return func(context.Context) filled[string] { return filled[string]{value, ttl, cost} }
}

func newTestCache(entries, bytes int) *cache[string, string] {
	return newCache[string, string](entries, bytes, time.Minute, time.Now)
}

func TestCacheBounds(t *testing.T) {
	c := newTestCache(3, 100)
	holds := func(want ...string) {
		t.Helper()
		for _, key := range want {
			if _, ok := c.byKey[key]; !ok {
				t.Errorf("%s is gone", key)
			}
		}
		if len(c.byKey) != len(want) || c.recent.Len() != len(want) {
			t.Errorf("it holds %d entries, want %v", len(c.byKey), want)
		}
	}
	get := func(key string, ttl time.Duration, cost int) { c.get(t.Context(), key, give(key, ttl, cost)) }
	get("a", time.Hour, 10)
	get("b", time.Hour, 10)
	get("c", time.Hour, 10)
	get("a", time.Hour, 10) // now b is the oldest
	get("d", time.Hour, 10)
	holds("a", "c", "d")
	get("big", time.Hour, 90)
	holds("d", "big")
	get("too big", time.Hour, 101)
	get("for now", 0, 1)
	holds("d", "big")
	if c.used != 100 {
		t.Errorf("it counts %d bytes", c.used)
	}
}

func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(10, 100)
		c.get(t.Context(), "a", give("old", time.Second, 1))
		time.Sleep(time.Second)
		got, err := c.get(t.Context(), "a", give("new", time.Second, 2))
		if got != "new" || err != nil || c.used != 2 {
			t.Errorf("got %q, %v, %d bytes", got, err, c.used)
		}
	})
}

// TestCacheLastOneStops: a fill goes on while somebody waits, and is stopped and
// seen to its end by the last one who leaves.
func TestCacheLastOneStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(10, 100)
		var stopped atomic.Int32
		fill := func(ctx context.Context) filled[string] {
			<-ctx.Done()
			stopped.Add(1)
			return filled[string]{"broken off", time.Hour, 1}
		}
		var waiting sync.WaitGroup
		for i := range 3 {
			waiting.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				if _, err := c.get(ctx, "a", fill); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if left := i == 2; (stopped.Load() == 1) != left {
					t.Errorf("after the leave of %d: stopped %d times", i, stopped.Load())
				}
			})
		}
		waiting.Wait()
		if got, err := c.get(t.Context(), "a", give("fresh", time.Hour, 1)); got != "fresh" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestCacheFillHasATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(10, 100)
		start := time.Now()
		c.get(t.Context(), "a", func(ctx context.Context) filled[string] { <-ctx.Done(); return filled[string]{} })
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}
