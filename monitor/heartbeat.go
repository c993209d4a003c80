package monitor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// How long the other side of a heartbeat or a webhook may take, and how often a heartbeat
// is tried before the next look.
const (
	webTime   = 30 * time.Second
	beatTries = 3
	beatAgain = 20 * time.Second
)

// beat tells somebody elsewhere that this server lives and looks: whoever hears nothing
// for too long raises the alarm that a dead server cannot.
func (m *Monitor) beat(ctx context.Context, url string) {
	if url == "" {
		return
	}
	var err error
	for try := range beatTries {
		if try > 0 && !pause(ctx, beatAgain) {
			return
		}
		if err = m.fetch(ctx, url); err == nil {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		m.Log.Warn("the heartbeat of the watch was not taken", "error", err)
	}
	m.state.noteBeat(m.World.Now(), err)
}

func (m *Monitor) fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return do(m.World.OwnHTTPClient(webTime), request)
}

// do makes a request of which only the success counts. The error names the host alone:
// the rest of such a URL is as good as a password.
func do(client *http.Client, request *http.Request) error {
	request.Header.Set("User-Agent", "Allgreen")
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", request.URL.Host, reasonOf(err))
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // politeness: the status has come
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", request.URL.Host, answer.Status)
	}
	return nil
}

// pause reports whether the time went by before the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
