package deliver

import (
	"context"
	"net/netip"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
)

// Mailer puts reports into mailboxes of our own. Reports are for the owner of a
// message, or for whoever stands in for one that is gone; they never leave.
type Mailer interface {
	// Report readies a report, and returns what stores it inside the transaction that
	// settles the job. Spool is the caller's to close afterwards.
	Report(ctx context.Context, r Report) (func(*store.Tx) error, error)
}

// Report is one report on its way to its owner.
type Report struct {
	Owner int64        // the account that gets it; 0: nobody in particular, the administrator
	Trace mail.TraceID // of the report itself
	About mail.TraceID // of the message that it is about
	Spool *store.Spool
}

// addReport writes a report on recipients and adds it to the settlement. A message
// with the null reverse-path is itself a report, or the like: there is nobody who
// waits to hear of it (RFC 5321 section 6.1).
func (d *Deliverer) addReport(ctx context.Context, s *settlement, recipients []report.Recipient) {
	j := s.outcome.Job
	if j.From.IsZero() || d.options.Reports == nil {
		d.log.Info("not reported", "trace", j.Trace, "recipients", len(recipients), "null-reverse-path", j.From.IsZero())
		return
	}
	s.tells = recipients
	d.readyReport(ctx, s)
}

// readyReport readies the report of a settlement, or readies it anew after that failed.
// Not to be able to is as bad as not to be able to store it: the same tries, the same
// alert.
func (d *Deliverer) readyReport(ctx context.Context, s *settlement) {
	s.close()
	put, err := d.report(ctx, s, s.tells)
	if s.unready = err != nil; s.unready {
		put = func(*store.Tx) error { return err }
	}
	s.reports = []func(*store.Tx) error{put}
}

func (d *Deliverer) report(ctx context.Context, s *settlement, recipients []report.Recipient) (func(*store.Tx) error, error) {
	j, now := s.outcome.Job, d.options.World.Now()
	host := d.options.HELO(netip.Addr{})
	id := mail.NewTraceID(now)
	dsn := report.DSN{
		From: mail.Address{Local: "postmaster", Domain: host}, To: j.From, MessageID: string(id) + "@" + host.String(), Date: now,
		ReportingMTA: host.String(), EnvelopeID: j.EnvelopeID, Arrival: j.Queued, Trace: string(j.Trace),
		Recipients: recipients, Full: j.Return == "FULL",
	}
	body, err := d.options.Store.OpenBody(ctx, j.Body)
	if err == nil {
		defer body.Close()
		dsn.Original = body
	} else {
		d.log.Warn("a message that is reported on cannot be read", "trace", j.Trace, "error", err)
	}
	spool := d.options.Store.NewSpool()
	if err := dsn.Write(spool); err != nil {
		spool.Close()
		return nil, err
	}
	s.spools = append(s.spools, spool)
	return d.options.Reports.Report(ctx, Report{Owner: j.Owner, Trace: id, About: j.Trace, Spool: spool})
}
