package pages

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The vectors of RFC 6238 appendix B, cut to six digits.
func TestCodes(t *testing.T) {
	secret := []byte("12345678901234567890")
	for unix, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		at := time.Unix(unix, 0)
		if got := codeAt(secret, unix/30); got != want {
			t.Errorf("at %d: %s, want %s", unix, got, want)
		}
		for _, d := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
			if stepOf(secret, want[:3]+" "+want[3:], at.Add(d)) != unix/30 {
				t.Errorf("the code of %d is not taken %s later", unix, d)
			}
		}
		if stepOf(secret, want, at.Add(90*time.Second)) != 0 || stepOf(secret, "", at) != 0 || stepOf(secret, want[:5], at) != 0 {
			t.Errorf("an old or short code of %d is taken", unix)
		}
	}
}

func TestOwnPath(t *testing.T) {
	for to, want := range map[string]string{
		"/queue?x=1": "/queue?x=1", "/green/rdns.exists": "/green/rdns.exists", "": "/green", "queue": "/green",
		"https://evil.example/": "/green", "//evil.example/": "/green", `/\evil.example`: "/green", "/\t/evil.example": "/green",
		"javascript:alert(1)": "/green", "/%2f/evil.example": "/%2f/evil.example", "http:evil.example": "/green", "///evil.example": "/green",
	} {
		if got := ownPath(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

// Of codes that come at once no more are looked at than of codes that come in turn.
func TestGuessesAtOnce(t *testing.T) {
	var g guesses
	var taken atomic.Int32
	var all sync.WaitGroup
	now := time.Now()
	for range 50 {
		all.Go(func() {
			_, err := g.try(func() time.Time { return now }, func() (bool, error) { taken.Add(1); runtime.Gosched(); return false, nil })
			if err != nil && !errors.Is(err, errGuesses) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != freeGuesses {
		t.Errorf("%d codes were looked at, want %d", n, freeGuesses)
	}
}
