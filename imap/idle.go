package imap

import (
	"context"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/imap/syntax"
)

// idle tells of changes as they happen, until the client says DONE (RFC 9051 section
// 6.3.13). While this goroutine waits for that, another one tells; it is gone before
// anything else is said.
func (s *session) idle(ctx context.Context, _ *syntax.Command) (answer, error) {
	s.out.Raw("+ idling\r\n")
	if s.view != nil {
		if err := s.showNews(ctx, askForNews); err != nil {
			return answer{}, err
		}
	}
	if err := s.out.Flush(); err != nil || s.over {
		return answer{}, errAnswered
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var telling sync.WaitGroup
	if s.view != nil {
		s.lent = true
		telling.Go(func() { s.tellNews(ctx) })
	}
	s.in.shrink()
	s.begun = false
	line, err := s.line(nil, maxStranger)
	s.begun = true
	cancel()
	telling.Wait()
	s.lent = false
	switch {
	case err != nil:
		s.misread(err)
		return answer{}, errAnswered
	case !strings.EqualFold(string(line), "DONE"):
		return answer{}, bad("DONE was expected")
	}
	return answer{}, nil
}

// tellNews says what happens in the folder until the context ends. What cannot be read
// now is read when something happens again, or at DONE. Where the client is lost, or its
// folder is, it ends the wait for DONE.
func (s *session) tellNews(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.watch.C():
		}
		if err := s.showNews(ctx, askForNews); err != nil {
			s.server.options.Log.Debug("IDLE", "as", s.who.Name, "error", err)
		}
		if err := s.out.Flush(); err != nil || s.over {
			s.Cut()
			return
		}
	}
}
