package receive

import (
	"context"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/store"
)

// maxEvents is how many refusals of one connection the journal keeps, as long as there
// are not too many of the client's; the log has them all.
const maxEvents = 50

// refuse puts a refusal into the log, and keeps it for the journal.
func (s *session) refuse(v policy.Verdict, to mail.Address) {
	kind := journal.Refused
	if v.Action == policy.Defer {
		kind = journal.TempRefused
	}
	s.r.o.Log.Info("refused", "trace", s.trace, "remote", s.state.IP, "helo", s.state.Peer.HELO,
		"from", s.state.ReversePath, "to", to, "stage", v.Stage, "reason", v.Reason, "detail", v.Detail, "score", v.Score, "reply", v.Reply.String())
	fields := map[string]string{"client": s.client(), "reason": v.Reason, "reply": v.Reply.String()}
	if v.Detail != "" {
		fields["detail"] = v.Detail
	}
	s.keep(journal.Event{Kind: kind, To: to.String(), Fields: fields})
}

// failed is a refusal because something of ours does not work.
func (s *session) failed(err error, what string) mail.Reply {
	reply := accept.Answer(err)
	s.r.o.Log.Error("cannot take mail", "trace", s.trace, "remote", s.state.IP, "from", s.state.ReversePath, "what", what, "error", err)
	s.keep(journal.Event{Kind: journal.TempRefused, Fields: map[string]string{"client": s.client(), "reason": what, "detail": err.Error(), "reply": reply.String()}})
	return reply
}

func (s *session) keep(e journal.Event) {
	if len(s.events) == maxEvents || !s.r.policy.MayNote(s.state) {
		return
	}
	e.Trace, e.Time, e.From = s.trace, s.r.o.World.Now(), s.state.ReversePath.String()
	s.events = append(s.events, e)
}

// client is the other side for people: "mail.example.net [192.0.2.1]".
func (s *session) client() string {
	ip := literal(s.state.IP)
	if s.state.Peer.HELO == "" {
		return ip
	}
	return s.state.Peer.HELO + " " + ip
}

// remote is the address of the client, if it has one.
func (s *session) remote() string {
	if !s.state.IP.IsValid() {
		return ""
	}
	return s.state.IP.String()
}

// taken is the log line of an accepted message.
func (s *session) taken(v policy.Verdict, size int64) {
	s.r.o.Log.LogAttrs(context.Background(), slog.LevelInfo, "accepted",
		slog.String("trace", string(s.trace)), slog.String("remote", s.remote()), slog.String("helo", s.state.Peer.HELO),
		slog.String("from", s.state.ReversePath.String()), slog.String("to", s.state.Recipients[0].To.String()),
		slog.Int("recipients", len(s.state.Recipients)), slog.Int64("size", size),
		slog.String("dmarc", string(s.state.Results.DMARC.Result)), slog.String("spf", string(s.state.Results.SPF.Result)),
		slog.String("action", v.Action.String()), slog.String("reason", v.Reason), slog.Int("score", v.Score), slog.String("detail", v.Detail))
}

// writeTime is how long the journal may take when nobody waits for it.
const writeTime = 10 * time.Second

// writeDown brings the refusals that no transaction took along into the journal.
func (s *session) writeDown() {
	if len(s.events) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	events := s.events
	s.events = nil
	err := s.r.o.Store.Write(ctx, func(tx *store.Tx) error { return journal.Add(tx, events...) })
	if err != nil {
		s.r.o.Log.Error("the journal is incomplete", "events", len(events), "error", err)
	}
}
