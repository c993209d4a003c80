package deliver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/smtp"
)

// attempt is one try to send one job, and what came of it.
type attempt struct {
	job        queue.Job
	at         time.Time
	results    []result // one for each of the job's recipients
	transcript string
	host       string // who was talked to; "" when nobody was
	channel    string
	dsn        bool   // the server sends reports itself
	tried      bool   // something was tried: it counts
	hold       string // why the gate holds it, untried; "": it does not
}

// result is what became of one recipient.
type result struct {
	reply   mail.Reply // of a recipient that was taken
	trouble *trouble   // nil: taken
}

// newAttempt begins with nothing decided.
func newAttempt(j queue.Job, at time.Time) *attempt {
	return &attempt{job: j, at: at, results: make([]result, len(j.Recipients)), tried: true}
}

// fail gives all recipients the same trouble.
func (a *attempt) fail(t *trouble) {
	for i := range a.results {
		a.results[i] = result{trouble: t}
	}
}

// errStopping ends a message because the program stops.
var errStopping = errors.New("this server is stopping")

// transaction sends one job over one connection.
type transaction struct {
	d *Deliverer
	c *connection
	a *attempt
}

// send tries a job and fills in the results. The trouble is that of the connection:
// nil, or why it can be used no more, or a sign of too much.
func (d *Deliverer) send(ctx context.Context, c *connection, a *attempt) *trouble {
	tx := &transaction{d, c, a}
	c.used++
	a.host, a.channel, a.dsn = c.way.name(), c.channel, c.ext.Has("DSN")
	if t := tx.unfit(ctx); t != nil {
		a.fail(t)
		return nil
	}
	todo := make([]int, len(a.results))
	for i := range todo {
		todo[i] = i
	}
	var last *trouble
	for len(todo) > 0 {
		n := min(len(todo), c.most)
		later, t := tx.round(ctx, todo[:n])
		if t != nil {
			last = t
		}
		if t != nil && t.over {
			for _, i := range append(later, todo[n:]...) {
				a.results[i] = result{trouble: t}
			}
			break
		}
		todo = append(later, todo[n:]...)
	}
	if !a.allTaken() {
		a.transcript = c.client.Transcript().String()
	}
	return last
}

// isOurs reports whether nothing came of it for want of our own store: that is no attempt.
func (a *attempt) isOurs() bool {
	return !slices.ContainsFunc(a.results, func(r result) bool { return r.trouble == nil || !r.trouble.ours })
}

func (a *attempt) allTaken() bool {
	return !slices.ContainsFunc(a.results, func(r result) bool { return r.trouble != nil })
}

// unfit says why the server cannot take this message, which is known before a word is
// said.
func (tx *transaction) unfit(ctx context.Context) *trouble {
	c, j := tx.c, &tx.a.job
	if limit, ok := c.ext.Size(); ok && j.Size > limit {
		t := permanent(code(5, 3, 4), "the message has %d octets, and the server takes no more than %d", j.Size, limit)
		t.host = c.way.name()
		return t
	}
	if c.ext.Has("SMTPUTF8") {
		return nil
	}
	needs, err := tx.d.needsSMTPUTF8(ctx, j)
	if err != nil {
		return fromStore("the message could not be read: %s", err)
	}
	if !needs {
		return nil
	}
	t := permanent(code(5, 6, 7), "the message has addresses or fields in UTF-8, and the server does not take them (SMTPUTF8)")
	t.host = c.way.name()
	return t
}

// needsSMTPUTF8 reports whether only a server with SMTPUTF8 can carry the message. One
// that was submitted so may still have nothing in it that asks for it.
func (d *Deliverer) needsSMTPUTF8(ctx context.Context, j *queue.Job) (bool, error) {
	if j.From.NeedsSMTPUTF8() || slices.ContainsFunc(j.Recipients, func(p queue.Pending) bool { return p.To.NeedsSMTPUTF8() }) {
		return true, nil
	}
	if !j.SMTPUTF8 {
		return false, nil
	}
	body, err := d.options.Store.OpenBody(ctx, j.Body)
	if err != nil {
		return false, err
	}
	defer body.Close()
	return headerHasUTF8(body)
}

// round sends the message to some of the recipients. later are those that the server
// wants in a transaction of their own.
func (tx *transaction) round(ctx context.Context, todo []int) (later []int, _ *trouble) {
	body, err := tx.d.options.Store.OpenBody(ctx, tx.a.job.Body)
	if err != nil {
		t := fromStore("the message could not be read: %s", err)
		for _, i := range todo {
			tx.a.results[i] = result{trouble: t}
		}
		return nil, nil // the connection is as it was
	}
	defer body.Close()
	e := smtp.Envelope{From: tx.a.job.From, Options: tx.mailOptions()}
	for _, i := range todo {
		e.To = append(e.To, smtp.Recipient{Address: tx.a.job.Recipients[i].To, Options: tx.rcptOptions(i)})
	}
	text, size, err := withoutReturnPath(body, body.Size())
	if err != nil {
		t := fromStore("the message could not be read: %s", err)
		for _, i := range todo {
			tx.a.results[i] = result{trouble: t}
		}
		return nil, nil
	}
	fates, err := tx.c.client.Send(ctx, e, &leased{text, size, tx.d.options.Queue})
	return tx.judge(todo, fates, err)
}

// judge turns fates into results.
func (tx *transaction) judge(todo []int, fates []smtp.Fate, err error) (later []int, worst *trouble) {
	host := tx.c.way.name()
	if err != nil {
		worst = broken(host, err)
		worst.stale = tx.isStale(fates, err)
	}
	taken := 0
	for n, i := range todo {
		f := smtp.Fate{}
		if n < len(fates) {
			f = fates[n]
		}
		switch {
		case f.Reply.IsZero():
			if worst == nil { // not known to happen; and what nobody answered for is not sent
				worst = temporary(code(4, 4, 2), "the server gave no answer")
			}
			tx.a.results[i] = result{trouble: worst}
		case f.Reply.IsPositive():
			tx.a.results[i] = result{reply: f.Reply}
			taken++
		case f.At == "RCPT" && isTooMany(f.Reply) && n > 0:
			tx.a.results[i] = result{trouble: tx.refused(f)}
			later = append(later, i)
		default:
			tx.a.results[i] = result{trouble: tx.refused(f)}
			worst = worse(worst, tx.a.results[i].trouble)
		}
	}
	if len(later) == 0 || taken == 0 { // where none is taken, "too many" means something else than too many at once
		return nil, worst
	}
	tx.c.most = taken
	return later, worst
}

// refused is the trouble of a fate. A temporary refusal of the message is a sign of too
// much; one of a recipient is about that recipient.
func (tx *transaction) refused(f smtp.Fate) *trouble {
	t := refusal(tx.c.way.name(), f.Reply)
	t.tooMuch = t.tooMuch || f.At != "RCPT" && f.Reply.IsTransient()
	t.stale = f.At == "MAIL" && t.over && tx.c.used > 1 // it had enough of this connection, not of this message
	return t
}

// isStale reports whether a server hung up between two messages: nothing was answered
// to this one, and nothing of it was sent.
func (tx *transaction) isStale(fates []smtp.Fate, err error) bool {
	e, ok := errors.AsType[*smtp.DialogueError](err)
	if !ok || tx.c.used < 2 || !errors.Is(err, smtp.ErrClosed) || e.During == "the end of data" || e.During == "the message" {
		return false
	}
	return !slices.ContainsFunc(fates, func(f smtp.Fate) bool { return !f.Reply.IsZero() })
}

// worse keeps the trouble that says more about the connection.
func worse(a, b *trouble) *trouble {
	switch {
	case a != nil && a.over, !b.over && !b.tooMuch:
		return a
	}
	return b
}

// isTooMany reports an answer that asks for another transaction (RFC 5321 section
// 4.5.3.1.10); 552 is what it was in RFC 821.
func isTooMany(r mail.Reply) bool {
	return r.Code == 452 && (r.Enhanced.IsZero() || r.Enhanced == code(4, 5, 3)) || r.Code == 552 && r.Enhanced == code(5, 5, 3)
}

func (tx *transaction) mailOptions() smtp.MailOptions {
	j, ext := &tx.a.job, tx.c.ext
	var o smtp.MailOptions
	if ext.Has("SIZE") {
		o.Size = j.Size
	}
	if j.EightBit && ext.Has("8BITMIME") {
		o.Body = smtp.Body8BitMIME
	}
	if ext.Has("SMTPUTF8") {
		o.SMTPUTF8 = j.SMTPUTF8 || j.From.NeedsSMTPUTF8() ||
			slices.ContainsFunc(j.Recipients, func(p queue.Pending) bool { return p.To.NeedsSMTPUTF8() })
	}
	if ext.Has("DSN") {
		o.Return, o.EnvelopeID = j.Return, j.EnvelopeID
	}
	o.RequireTLS = j.RequireTLS
	return o
}

func (tx *transaction) rcptOptions(i int) smtp.RcptOptions {
	if !tx.c.ext.Has("DSN") {
		return smtp.RcptOptions{}
	}
	r := &tx.a.job.Recipients[i]
	return smtp.RcptOptions{Notify: r.Notify, Original: r.Original}
}

// leased reads a message and does not let it end when the lease may be lost, or before
// its end: without its final dot the server forgets it.
type leased struct {
	io.Reader
	left  int64 // octets to come
	queue *queue.Queue
}

func (l *leased) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.left -= int64(n)
	switch {
	case err != io.EOF:
	case l.left > 0:
		return n, fmt.Errorf("the stored message breaks off %d octets before its end", l.left)
	case !l.queue.Alive():
		return n, fmt.Errorf("the database was not reached for too long, another server may have this message: %w", errStopping)
	}
	return n, err
}

// limits takes what the server says about its limits (RFC 9422).
func (c *connection) limits() {
	l := c.ext.Limits()
	if n, err := strconv.Atoi(l["RCPTMAX"]); err == nil && n > 0 {
		c.most = min(n, 1000)
	}
}
