package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/web"
)

// reload reads the configuration again and has the next generation answer. Nothing
// changes when something is wrong with it. What counts from the next start on is
// said, and stays as it is.
func (s *server) reload(ctx context.Context) (web.Reloaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := web.Reloaded{Changed: []web.Change{}}
	next, err := config.Read(s.path)
	if err != nil {
		var wrong config.Problems
		if errors.As(err, &wrong) {
			return done, &web.Error{Kind: web.Invalid, Text: firstOf(wrong).Error(), Hint: moreOf(wrong)}
		}
		return done, &web.Error{Kind: web.Invalid, Text: err.Error(), Hint: "nothing was changed"}
	}
	for _, c := range config.Diff(s.settings, next) {
		done.Changed = append(done.Changed, web.Change{Key: c.Key, Old: c.Old, New: c.New, Restart: c.Effect == config.Restart})
	}
	if err := checkNetworks(next, s.world); err != nil {
		return done, &web.Error{Kind: web.Invalid, Text: err.Error(), Hint: "nothing was changed"}
	}
	before := s.fileData
	s.fileData = next.Data
	keepUntilRestart(s.settings, next)
	if err := s.change(ctx, next); err != nil {
		s.fileData = before
		return done, fmt.Errorf("nothing was changed: %w", err)
	}
	s.log.Info("configuration read again", "changed", len(done.Changed))
	return done, nil
}

// keepUntilRestart has what cannot change while the process runs stay as it is; the
// next reload will say so again.
func keepUntilRestart(old, next *config.Config) {
	next.Data, next.Store, next.DNS = old.Data, old.Store, old.DNS
}

// change makes a configuration count: first what the generations share, then the
// next generation. When that cannot be built everything is as before.
func (s *server) change(ctx context.Context, next *config.Config) error {
	out, err := s.deliverOptions(ctx, next)
	if err != nil {
		return err
	}
	backups, err := s.backupSettings(ctx, next)
	if err != nil {
		return err
	}
	if err := s.identity.Restate(ctx, statement(next), s.certificates(next)); err != nil {
		return err
	}
	s.accounts.Configure(next.Domains, next.Admin, devices(next))
	g, err := s.newGeneration(ctx, next)
	if err != nil {
		s.accounts.Configure(s.settings.Domains, s.settings.Admin, devices(s.settings))
		return errors.Join(err, s.identity.Restate(ctx, statement(s.settings), s.certificates(s.settings)))
	}
	before := s.now.Swap(g)
	s.settings = next
	s.backups.Configure(backups)
	g.connect()
	s.missAdmin(ctx, next)
	s.delivery.change(out)
	s.edge.change(edgeSources(next, s.world))
	s.upkeep.Wake()
	s.watch.Configure(s.watchSettings(next))
	s.gate.look()
	s.board.keep(g.names())
	s.retired.Go(func() { before.retire(s.stopping) })
	return nil
}

// reloadAndTell is a reload that nobody waits for: SIGHUP.
func (s *server) reloadAndTell(ctx context.Context) {
	done, err := s.reload(ctx)
	if err != nil {
		s.log.Error("the configuration was not read again", "error", err)
		return
	}
	for _, c := range done.Changed {
		if c.Restart {
			s.log.Warn("this counts from the next start on", "key", c.Key, "now", c.Old, "then", c.New)
		}
	}
}
