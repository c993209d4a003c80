package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about results that others may see.
var (
	ExhibitPut = Call[exhibit.Exhibit, exhibit.Exhibit]{"exhibit.put"}
	ExhibitGet = Call[ExhibitID, exhibit.Exhibit]{"exhibit.get"}
)

// ExhibitID names a shared result.
type ExhibitID struct {
	ID string `json:"id"`
}

// exhibits is what the calls work on.
type exhibits struct {
	store *store.Store
	now   func() time.Time
}

func (x exhibits) add(mux *http.ServeMux) {
	answer(mux, ExhibitPut, func(ctx context.Context, in exhibit.Exhibit) (exhibit.Exhibit, error) {
		e, err := exhibit.Put(ctx, x.store, x.now(), in)
		return e, exhibitError(err)
	})
	answer(mux, ExhibitGet, func(ctx context.Context, in ExhibitID) (exhibit.Exhibit, error) {
		e, err := exhibit.Get(ctx, x.store, x.now(), in.ID)
		return e, exhibitError(err)
	})
}

func exhibitError(err error) error {
	switch {
	case errors.Is(err, exhibit.ErrNone):
		return &Error{Kind: NotFound, Text: exhibit.ErrNone.Error()}
	case errors.Is(err, exhibit.ErrLarge):
		return &Error{Kind: Invalid, Text: exhibit.ErrLarge.Error()}
	case errors.Is(err, exhibit.ErrFull):
		return &Error{Kind: Temporary, Text: exhibit.ErrFull.Error()}
	}
	return err
}
