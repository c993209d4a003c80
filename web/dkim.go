package web

import (
	"context"
	"net/http"
	"time"
)

// The calls about DKIM keys.
var (
	DKIMKeys   = Call[DomainName, []DKIMKey]{"dkim.keys"}
	DKIMPlan   = Call[DomainName, []DKIMKey]{"dkim.plan"}   // makes the next keys; gives them
	DKIMSwitch = Call[DomainName, []DKIMKey]{"dkim.switch"} // signs with them; gives all keys
	DKIMRevoke = Call[DKIMAge, []DKIMKey]{"dkim.revoke"}    // gives all revoked keys
	DKIMForget = Call[DKIMAge, []DKIMKey]{"dkim.forget"}    // gives all keys that are left
)

// DomainName names a domain of the server; "" means all where a call only looks.
type DomainName struct {
	Domain string `json:"domain"`
}

// DKIMAge selects keys of a domain by the time since they got their state.
type DKIMAge struct {
	Domain string `json:"domain"`
	Age    int64  `json:"age"` // seconds, at least
}

// DKIMKey is a key as others may know it.
type DKIMKey struct {
	Domain    string    `json:"domain"`
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state"` // planned, active, retired, revoked
	Created   time.Time `json:"created"`
	Since     time.Time `json:"since"`         // when it got its state
	Next      time.Time `json:"next,omitzero"` // when it makes room for the next; only of one that signs
}

// Keyring is what the calls work on.
type Keyring interface {
	Keys(DomainName) ([]DKIMKey, error)
	Plan(context.Context, DomainName) ([]DKIMKey, error)
	Switch(context.Context, DomainName) ([]DKIMKey, error)
	Revoke(context.Context, DKIMAge) ([]DKIMKey, error)
	Forget(context.Context, DKIMAge) ([]DKIMKey, error)
}

func addKeyring(mux *http.ServeMux, k Keyring) {
	answer(mux, DKIMKeys, func(_ context.Context, in DomainName) ([]DKIMKey, error) { return k.Keys(in) })
	answer(mux, DKIMPlan, k.Plan)
	answer(mux, DKIMSwitch, k.Switch)
	answer(mux, DKIMRevoke, k.Revoke)
	answer(mux, DKIMForget, k.Forget)
}
