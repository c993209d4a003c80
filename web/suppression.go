package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/suppression"
)

// The calls about who wants no more of a bulk stream.
var (
	SuppressionList   = Call[SuppressionQuery, []Suppressed]{"suppression.list"}
	SuppressionAdd    = Call[Suppressed, None]{"suppression.add"}
	SuppressionRemove = Call[SuppressionName, None]{"suppression.remove"}
)

// SuppressionQuery says which entries: all that is set must hold.
type SuppressionQuery struct {
	Stream string     `json:"stream,omitempty"` // exactly: "token:news"
	Text   string     `json:"text,omitempty"`   // a part of the address
	Limit  int        `json:"limit,omitempty"`  // zero: 100
	After  Suppressed `json:"after,omitzero"`   // the last one of the page before
}

// Suppressed is one reason why a stream does not go to an address.
type Suppressed struct {
	Stream  string    `json:"stream"`
	Address string    `json:"address"`
	Kind    string    `json:"kind,omitempty"` // unsubscribed, complained, bounced or added
	Why     string    `json:"why,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// SuppressionName is a stream and an address.
type SuppressionName struct {
	Stream  string `json:"stream"`
	Address string `json:"address"`
}

type suppressions struct {
	store *store.Store
	now   func() time.Time
}

func (s suppressions) add(mux *http.ServeMux) {
	answer(mux, SuppressionList, s.list)
	answer(mux, SuppressionAdd, s.stop)
	answer(mux, SuppressionRemove, s.lift)
}

func (s suppressions) list(ctx context.Context, q SuppressionQuery) ([]Suppressed, error) {
	page := suppression.Page{Limit: q.Limit}
	if q.After.Address != "" {
		a, err := addressOf(q.After.Address)
		if err != nil {
			return nil, err
		}
		page.After = suppression.Entry{Stream: q.After.Stream, Address: a, Kind: suppression.Kind(q.After.Kind)}
	}
	entries, err := suppression.List(ctx, s.store, suppression.Query{Stream: q.Stream, Text: q.Text}, page)
	if err != nil {
		return nil, err
	}
	all := []Suppressed{}
	for _, e := range entries {
		all = append(all, Suppressed{e.Stream, e.Address.String(), string(e.Kind), e.Why, e.Since})
	}
	return all, nil
}

// stop is what an operator does: whatever the kind says, it is Added.
func (s suppressions) stop(ctx context.Context, p Suppressed) (None, error) {
	a, err := addressOf(p.Address)
	if err != nil {
		return None{}, err
	}
	err = s.store.Write(ctx, func(tx *store.Tx) error {
		_, err := suppression.Add(tx, suppression.Entry{Stream: p.Stream, Address: a, Kind: suppression.Added, Why: p.Why, Since: s.now()})
		return err
	})
	if errors.Is(err, suppression.ErrInvalid) {
		err = &Error{Kind: Invalid, Text: err.Error(), Hint: "a stream is named like the token that writes it: token:news"}
	}
	return None{}, err
}

func (s suppressions) lift(ctx context.Context, p SuppressionName) (None, error) {
	a, err := addressOf(p.Address)
	if err != nil {
		return None{}, err
	}
	var removed int
	err = s.store.Write(ctx, func(tx *store.Tx) error {
		removed, err = suppression.Remove(tx, p.Stream, a)
		return err
	})
	if err == nil && removed == 0 {
		err = &Error{Kind: NotFound, Text: "nothing stops " + p.Stream + " to " + a.String(), Hint: "allgreen suppression list shows what does"}
	}
	return None{}, err
}

func addressOf(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, &Error{Kind: Invalid, Text: err.Error()}
	}
	return a, nil
}
