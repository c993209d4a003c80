package imap

import (
	"context"
	"maps"
	"slices"

	"github.com/allgreen-mail/allgreen/account"
)

// Guard cuts the sessions of accounts that are disabled or removed while they are logged
// in, until the context ends: programs stay connected for days.
func (s *Server) Guard(ctx context.Context) error {
	watch := s.options.Store.Watch(account.Topic)
	defer watch.Close()
	for {
		s.expel(ctx)
		select {
		case <-watch.C():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) expel(ctx context.Context) {
	s.mu.Lock()
	members := slices.Collect(maps.Keys(s.logins))
	s.mu.Unlock()
	barred, err := s.options.Accounts.Barred(ctx, members)
	if err != nil {
		if ctx.Err() == nil {
			s.options.Log.Warn("who may stay could not be found out; the next change asks again", "error", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if id := account.ID(c.member.Load()); id != 0 && slices.Contains(barred, id) {
			s.options.Log.Info("a session ends with its account", "service", "imap", "client", c.remote)
			c.cut()
		}
	}
}
