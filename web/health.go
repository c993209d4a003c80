package web

import (
	"context"
	"net/http"
	"time"
)

// Question is one thing that must hold for the server to be ready, or that is only
// worth a warning.
type Question struct {
	Name     string                      // "store", "certificates", "queue", "edge"
	Ask      func(context.Context) error // nil: it holds; the text is shown to whoever may read /readyz
	Advisory bool                        // whatever it says, mail may come here
}

// patience is how long a question may take: an answer that comes later says no.
const patience = 5 * time.Second

// Readiness is what /readyz answers.
type Readiness struct {
	Ready    bool              `json:"ready"`
	Checks   map[string]string `json:"checks"`             // name -> "ok" or the reason
	Warnings map[string]string `json:"warnings,omitempty"` // name -> what is wrong, and does not stop mail
}

// Ready asks all questions at once.
func Ready(ctx context.Context, questions []Question) Readiness {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type reply struct{ name, text string }
	replies := make(chan reply, len(questions))
	for _, q := range questions {
		go func() { replies <- reply{q.Name, reason(q.Ask(ctx))} }()
	}
	r := Readiness{Ready: true, Checks: map[string]string{}}
	for _, q := range questions {
		r.Checks[q.Name] = "no answer in time"
	}
	for range questions {
		select {
		case a := <-replies:
			r.Checks[a.name] = a.text
		case <-ctx.Done():
		}
	}
	for _, q := range questions {
		r.judge(q)
	}
	return r
}

// judge puts an advice where it stops nothing.
func (r *Readiness) judge(q Question) {
	text := r.Checks[q.Name]
	if !q.Advisory {
		r.Ready = r.Ready && text == holds
		return
	}
	delete(r.Checks, q.Name)
	if text == holds {
		return
	}
	if r.Warnings == nil {
		r.Warnings = map[string]string{}
	}
	r.Warnings[q.Name] = text
}

const holds = "ok"

func reason(err error) string {
	if err == nil {
		return holds
	}
	return err.Error()
}

// addHealth mounts /healthz, which is 200 as long as the process answers at all,
// and /readyz, which is 503 with the reasons when mail should not come here.
func addHealth(mux *http.ServeMux, questions []Question) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		readiness := Ready(r.Context(), questions)
		status := http.StatusOK
		if !readiness.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, readiness)
	})
}
