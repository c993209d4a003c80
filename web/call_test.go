package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

type greeting struct {
	Name string `json:"name"`
}

var greet = Call[greeting, []string]{"test.greet"}

// serveTest answers on a unix socket until the test ends and gives a client of it.
func serveTest(t *testing.T, handler http.Handler) *Client {
	t.Helper()
	w := &world.World{Network: world.Machine()}
	path := filepath.Join(t.TempDir(), "s")
	l, err := w.ListenUnix(t.Context(), path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Serve(ctx, []net.Listener{OnlyOurs(l, log)}, handler, time.Second, log); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return NewClient(w, path)
}

func TestCall(t *testing.T) {
	mux := http.NewServeMux()
	answer(mux, greet, func(_ context.Context, g greeting) ([]string, error) {
		switch g.Name {
		case "":
			return nil, &Error{Kind: Invalid, Text: "nobody to greet", Hint: "name somebody"}
		case "broken":
			return nil, io.ErrUnexpectedEOF
		}
		return []string{"hello", g.Name}, nil
	})
	client := serveTest(t, mux)
	got, err := greet.Do(t.Context(), client, greeting{"anna"})
	if err != nil || len(got) != 2 || got[1] != "anna" {
		t.Errorf("got %q, %v", got, err)
	}
	var e *Error
	if _, err := greet.Do(t.Context(), client, greeting{}); !errors.As(err, &e) || e.Kind != Invalid || e.Hint != "name somebody" {
		t.Errorf("a refusal came as %#v", err)
	}
	if _, err := greet.Do(t.Context(), client, greeting{"broken"}); !errors.As(err, &e) || e.Kind != Failed || e.Text != "unexpected EOF" {
		t.Errorf("a failure came as %#v", err)
	}
	odd := Call[map[string]int, []string]{"test.greet"}
	if _, err := odd.Do(t.Context(), client, map[string]int{"age": 7}); !errors.As(err, &e) || e.Kind != Invalid {
		t.Errorf("an unknown parameter came as %v", err)
	}
	if _, err := (Call[None, None]{"test.later"}).Do(t.Context(), client, None{}); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("an unknown call came as %v", err)
	}
	nobody := NewClient(&world.World{Network: world.Machine()}, filepath.Join(t.TempDir(), "s"))
	if _, err := greet.Do(t.Context(), nobody, greeting{"x"}); !errors.Is(err, ErrNoServer) {
		t.Errorf("without a server: %v", err)
	}
}

func TestReady(t *testing.T) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	for _, tt := range []struct {
		name     string
		ask      func(context.Context) error
		advisory bool
		status   int
		want     string
	}{
		{"all well", func(context.Context) error { return nil }, false, 200, `{"ready":true,"checks":{"store":"ok"}}`},
		{"full", func(context.Context) error { return errors.New("the disk is full") }, false, 503, `{"ready":false,"checks":{"store":"the disk is full"}}`},
		{"an advice", func(context.Context) error { return errors.New("seen elsewhere") }, true, 200, `{"ready":true,"checks":{},"warnings":{"store":"seen elsewhere"}}`},
		{"no advice", func(context.Context) error { return nil }, true, 200, `{"ready":true,"checks":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			addHealth(mux, []Question{{"store", tt.ask, tt.advisory}})
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("a question that hangs says no", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r := Ready(ctx, []Question{{Name: "queue", Ask: func(context.Context) error { <-never; return nil }}})
		if r.Ready || r.Checks["queue"] != "no answer in time" {
			t.Errorf("%+v", r)
		}
	})
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Add(Family{Name: "queue_messages", Help: "Waiting.", Shape: Gauge, Labels: []string{"state"}, Read: func(emit func(float64, ...string)) {
		emit(3, "waiting")
		emit(1, "held")
	}})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"# TYPE allgreen_queue_messages gauge", `allgreen_queue_messages{state="waiting"} 3`, "go_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, w.Body)
		}
	}
	if other := NewMetrics(); other.registry == m.registry {
		t.Error("two servers share their figures")
	}
}
