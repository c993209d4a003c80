package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about people's filters.
var (
	SievePut      = Call[SieveScript, None]{"sieve.put"}
	SieveList     = Call[AccountName, []SieveScript]{"sieve.list"}
	SieveShow     = Call[SieveScript, SieveScript]{"sieve.show"}
	SieveActivate = Call[SieveScript, None]{"sieve.activate"}
	SieveRemove   = Call[SieveScript, None]{"sieve.remove"}
)

// SieveScript is a filter of an account.
type SieveScript struct {
	Address string    `json:"address,omitempty"`
	Name    string    `json:"name,omitempty"` // to show: absent is the active one; to activate: none
	Text    string    `json:"text,omitempty"`
	Active  bool      `json:"active,omitempty"` // to put: make it the active one
	Changed time.Time `json:"changed,omitzero"`
}

func (p people) addSieve(mux *http.ServeMux) {
	answer(mux, SievePut, p.putScript)
	answer(mux, SieveList, p.listScripts)
	answer(mux, SieveShow, p.showScript)
	answer(mux, SieveActivate, p.activateScript)
	answer(mux, SieveRemove, p.removeScript)
}

// scriptError says what errors about scripts ask of the caller.
func scriptError(err error) error {
	for _, k := range []struct {
		is   error
		kind Kind
	}{
		{mailbox.ErrNoScript, NotFound}, {mailbox.ErrScriptActive, Conflict}, {mailbox.ErrScriptName, Invalid}, {mailbox.ErrScriptRoom, Conflict},
	} {
		if errors.Is(err, k.is) {
			return &Error{Kind: k.kind, Text: err.Error()}
		}
	}
	return peopleError(err)
}

// withScripts runs a change of an account's scripts.
func (p people) withScripts(ctx context.Context, address string, change func(tx *store.Tx, own int64) error) (None, error) {
	a, err := p.find(ctx, address)
	if err != nil {
		return None{}, err
	}
	return None{}, scriptError(p.store.Write(ctx, func(tx *store.Tx) error { return change(tx, int64(a.ID)) }))
}

// putScript keeps only what can be understood.
func (p people) putScript(ctx context.Context, in SieveScript) (None, error) {
	if _, err := sieve.Parse(in.Text, sieve.Limits{Size: mailbox.MaxScriptSize}); err != nil {
		return None{}, &Error{Kind: Invalid, Text: err.Error(), Hint: "nothing was changed; docs/sieve.md says what filters can do"}
	}
	return p.withScripts(ctx, in.Address, func(tx *store.Tx, own int64) error {
		err := mailbox.PutScript(tx, own, in.Name, in.Text)
		if err == nil && in.Active {
			err = mailbox.ActivateScript(tx, own, in.Name)
		}
		return err
	})
}

func (p people) readScripts(ctx context.Context, address string, read func(tx *store.Tx, own int64) error) error {
	a, err := p.find(ctx, address)
	if err != nil {
		return err
	}
	return scriptError(p.store.Read(ctx, func(tx *store.Tx) error { return read(tx, int64(a.ID)) }))
}

func (p people) listScripts(ctx context.Context, in AccountName) (all []SieveScript, err error) {
	err = p.readScripts(ctx, in.Address, func(tx *store.Tx, own int64) error {
		kept, err := mailbox.Scripts(tx, own)
		all = make([]SieveScript, 0, len(kept))
		for _, s := range kept {
			all = append(all, SieveScript{Name: s.Name, Active: s.Active, Changed: s.Changed})
		}
		return err
	})
	return all, err
}

func (p people) showScript(ctx context.Context, in SieveScript) (out SieveScript, err error) {
	err = p.readScripts(ctx, in.Address, func(tx *store.Tx, own int64) error {
		var s mailbox.SieveScript
		var err error
		if in.Name == "" {
			s, err = mailbox.ActiveScript(tx, own)
		} else {
			s, err = mailbox.Script(tx, own, in.Name)
		}
		out = SieveScript{Name: s.Name, Text: s.Text, Active: s.Active, Changed: s.Changed}
		return err
	})
	return out, err
}

func (p people) activateScript(ctx context.Context, in SieveScript) (None, error) {
	return p.withScripts(ctx, in.Address, func(tx *store.Tx, own int64) error { return mailbox.ActivateScript(tx, own, in.Name) })
}

func (p people) removeScript(ctx context.Context, in SieveScript) (None, error) {
	return p.withScripts(ctx, in.Address, func(tx *store.Tx, own int64) error { return mailbox.RemoveScript(tx, own, in.Name) })
}
