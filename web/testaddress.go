package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/testaddress"
)

// The calls about test addresses.
var (
	TestMake = Call[TestWanted, testaddress.Address]{"test.make"}
	TestLook = Call[TestQuery, testaddress.Address]{"test.look"}
)

// TestWanted asks for a test address.
type TestWanted struct {
	// Client is the address of a stranger who asks, for his share of them; "": one of ours.
	Client string `json:"client,omitempty"`
}

// TestQuery names a test address by its secret id. With Wait the answer comes as soon as
// there is more than the caller has seen, or when the time is over.
type TestQuery struct {
	ID     string `json:"id"`
	Wait   int64  `json:"wait,omitempty"`   // seconds, at most a minute
	Taken  int    `json:"taken,omitempty"`  // messages that the caller has seen
	Judged int    `json:"judged,omitempty"` // verdicts
}

// longest is how long a call may wait.
const longest = time.Minute

// tests is what the calls work on.
type tests struct{ book *testaddress.Book }

func (t tests) add(mux *http.ServeMux) {
	answer(mux, TestMake, t.make)
	answer(mux, TestLook, t.look)
}

func (t tests) make(ctx context.Context, in TestWanted) (testaddress.Address, error) {
	var client netip.Addr
	if in.Client != "" {
		var err error
		if client, err = netip.ParseAddr(in.Client); err != nil {
			return testaddress.Address{}, &Error{Kind: Invalid, Text: fmt.Sprintf("%.60q is no address", in.Client)}
		}
	}
	a, err := t.book.Make(ctx, client)
	if errors.Is(err, testaddress.ErrTooMany) {
		return a, &Error{Kind: Temporary, Text: err.Error(), Hint: "one address takes several messages"}
	}
	return a, err
}

func (t tests) look(ctx context.Context, in TestQuery) (a testaddress.Address, err error) {
	if in.Wait > 0 {
		ctx, cancel := context.WithTimeout(ctx, min(time.Duration(in.Wait)*time.Second, longest))
		defer cancel()
		a, err = t.book.Await(ctx, in.ID, in.Taken, in.Judged)
	} else {
		a, err = t.book.Look(ctx, in.ID)
	}
	if errors.Is(err, testaddress.ErrNone) {
		return a, &Error{Kind: NotFound, Text: err.Error(), Hint: "it is named by the id that was shown with it, not by the address; verdicts are kept for thirty days"}
	}
	return a, err
}
