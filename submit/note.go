package submit

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// noteTime is how long the journal may take when only a refusal is to be kept.
const noteTime = 5 * time.Second

// note keeps an event that belongs to no accepted message: a refusal, a login that failed.
// The log has all of them; of one client the journal keeps so many an hour.
func (s *Submitter) note(ctx context.Context, client netip.Addr, e journal.Event) {
	now := s.world.Now()
	if !s.crowd.MayNote(client, now) {
		return
	}
	if e.Trace == "" {
		e.Trace = mail.NewTraceID(now)
	}
	e.Time = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := s.store.Write(ctx, func(tx *store.Tx) error { return journal.Add(tx, e) }); err != nil {
		s.log.Error("the journal is incomplete", "kind", e.Kind, "err", err)
	}
}

// refusalEvent is a refusal of one of ours for the journal.
func refusalEvent(r mail.Reply, as, from, to string, client netip.Addr) journal.Event {
	e := journal.Event{Kind: journal.Refused, From: from, To: to, Fields: map[string]string{"reply": r.String()}}
	if r.IsTransient() {
		e.Kind = journal.TempRefused
	}
	if as != "" {
		e.Fields["as"] = as
	}
	if client.IsValid() {
		e.Fields["client"] = client.String()
	}
	return e
}

// printable is what a stranger called itself, on one line of at most 200 octets.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "")
	}
	return s
}
