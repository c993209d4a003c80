package accept

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/store"
)

// scripts remembers the active scripts of accounts, ready to run, until one changes.
type scripts struct {
	store *store.Store
	watch *store.Watch

	mu     sync.Mutex
	age    uint64 // counts how often all was forgotten
	known  map[account.ID]active
	octets int // of what is remembered
}

// active is the script of an account. The zero value is that of one without.
type active struct {
	name   string
	script *sieve.Script
	broken error // it is there, and cannot be understood
}

// Bounds of what is remembered; all of it is forgotten when there is more.
const (
	maxKnown  = 100_000  // accounts
	maxOctets = 16 << 20 // of the sources
)

func newScripts(st *store.Store) *scripts {
	return &scripts{store: st, watch: st.Watch(mailbox.ScriptsTopic), known: make(map[account.ID]active)}
}

// of gives the script of an account.
func (s *scripts) of(ctx context.Context, id account.ID) (active, error) {
	a, age, ok := s.recall(id)
	if ok {
		return a, nil
	}
	var kept mailbox.SieveScript
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		kept, err = mailbox.ActiveScript(tx, int64(id))
		return err
	})
	switch {
	case errors.Is(err, mailbox.ErrNoScript):
	case err != nil:
		return a, fmt.Errorf("script of account %d: %w", id, err)
	default:
		a.name = kept.Name
		a.script, a.broken = sieve.Parse(kept.Text, sieve.Limits{})
	}
	s.remember(id, a, len(kept.Text), age)
	return a, nil
}

// recall looks into the memory, unless something has changed meanwhile.
func (s *scripts) recall(id account.ID) (a active, age uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.watch.C():
		s.forget()
	default:
	}
	a, ok = s.known[id]
	return a, s.age, ok
}

// remember keeps what was read, unless it may have changed since.
func (s *scripts) remember(id account.ID, a active, octets int, age uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age != s.age {
		return
	}
	if len(s.known) >= maxKnown || s.octets+octets > maxOctets {
		s.forget()
	}
	s.known[id] = a
	s.octets += octets
}

func (s *scripts) forget() {
	clear(s.known)
	s.octets = 0
	s.age++
}

func (s *scripts) close() { s.watch.Close() }
