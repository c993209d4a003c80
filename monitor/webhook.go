package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/world"
)

// Hook is what a webhook is sent: one JSON document for each letter. Text is also where
// chat programs look.
type Hook struct {
	Host    string            `json:"host"`
	Time    time.Time         `json:"time"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Changes []standing.Change `json:"changes"`
}

// Webhook is a channel that posts each letter to a URL. Any answer of 2xx takes it.
func Webhook(w *world.World, host mail.Domain, to string) Channel {
	return Channel{Name: "webhook", Tell: func(ctx context.Context, l Letter) error {
		body, err := json.Marshal(Hook{Host: host.String(), Time: l.Time.UTC(), Subject: l.Subject, Text: l.Text, Changes: l.Changes})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		return do(w.OwnHTTPClient(webTime), request)
	}}
}

// reasonOf is the error of a request without its URL.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
