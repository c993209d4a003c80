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
	dsn        bool // the server sends reports itself
	tried      bool // something was tried: it counts
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
	c.client.Transcript().Truncate(c.opening)
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
		return temporary(code(4, 3, 0), "the message could not be read: %s", err)
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

// round is one MAIL with some recipients. later are those that the server wants in a
// transaction of their own.
func (tx *transaction) round(ctx context.Context, todo []int) (later []int, _ *trouble) {
	accepted, later, t := tx.envelope(ctx, todo)
	if t != nil && t.over {
		for _, i := range accepted {
			tx.a.results[i] = result{trouble: t}
		}
		return later, t
	}
	if len(accepted) == 0 {
		if r := tx.reset(ctx); r != nil {
			return later, r
		}
		return later, t
	}
	reply, data := tx.data(ctx)
	for _, i := range accepted {
		tx.a.results[i] = result{reply: reply, trouble: data}
	}
	if data != nil && !data.over {
		if r := tx.reset(ctx); r != nil {
			return later, r
		}
	}
	if data != nil {
		t = data
	}
	return later, t
}

// envelope says MAIL and RCPT, in one flight where the server has PIPELINING (RFC
// 2920). Refused recipients get their results.
func (tx *transaction) envelope(ctx context.Context, todo []int) (accepted, later []int, _ *trouble) {
	commands := []smtp.Command{smtp.MailCommand(tx.a.job.From, tx.mailOptions())}
	for _, i := range todo {
		commands = append(commands, smtp.RcptCommand(tx.a.job.Recipients[i].To, tx.rcptOptions(i)))
	}
	replies, err := tx.say(ctx, commands)
	host := tx.c.way.name()
	var t *trouble
	if err != nil {
		t = broken(host, err)
		t.stale = len(replies) == 0 && tx.c.used > 1 && errors.Is(err, smtp.ErrClosed)
	}
	switch {
	case len(replies) == 0:
		return todo, nil, t
	case !replies[0].IsPositive():
		t := refusal(host, replies[0])
		t.stale = t.over && tx.c.used > 1 // it had enough of this connection, not of this message
		for _, i := range todo {
			tx.a.results[i] = result{trouble: t}
		}
		return nil, nil, t
	}
	for n, i := range todo {
		if n+1 >= len(replies) {
			accepted = append(accepted, i) // not answered: shares the fate of the connection
			continue
		}
		r := replies[n+1]
		switch {
		case r.IsPositive():
			accepted = append(accepted, i)
		case isTooMany(r) && len(accepted) > 0:
			later = append(later, i)
		default:
			tx.a.results[i] = result{trouble: refusal(host, r)}
			t = worse(t, tx.a.results[i].trouble)
		}
	}
	if len(later) > 0 {
		tx.c.most = len(accepted)
	}
	return accepted, later, t
}

// worse keeps the trouble that says more about the connection.
func worse(a, b *trouble) *trouble {
	if a == nil || b.over && !a.over {
		return b
	}
	return a
}

// isTooMany reports an answer that asks for another transaction (RFC 5321 section
// 4.5.3.1.10); 552 is what it was in RFC 821.
func isTooMany(r mail.Reply) bool {
	return r.Code == 452 && (r.Enhanced.IsZero() || r.Enhanced == code(4, 5, 3)) || r.Code == 552 && r.Enhanced == code(5, 5, 3)
}

// say sends commands in one flight, or one after the other. After a refusal of MAIL
// the others are not said where that can be helped.
func (tx *transaction) say(ctx context.Context, commands []smtp.Command) ([]mail.Reply, error) {
	if tx.c.ext.Has("PIPELINING") {
		return tx.c.client.Pipeline(ctx, commands)
	}
	var replies []mail.Reply
	for _, cmd := range commands {
		r, err := tx.c.client.Do(ctx, cmd)
		if err != nil {
			return replies, err
		}
		replies = append(replies, r)
		if !replies[0].IsPositive() || r.Code == 421 {
			return replies, nil
		}
	}
	return replies, nil
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

// data sends the message.
func (tx *transaction) data(ctx context.Context) (mail.Reply, *trouble) {
	body, err := tx.d.options.Store.OpenBody(ctx, tx.a.job.Body)
	if err != nil {
		t := temporary(code(4, 3, 0), "the message could not be read: %s", err)
		t.over = true // DATA was not said: simplest is a new dialogue
		return mail.Reply{}, t
	}
	defer body.Close()
	r, err := tx.c.client.Data(ctx, &leased{body, tx.d.options.Queue})
	if err != nil {
		return r, broken(tx.c.way.name(), err)
	}
	if !r.IsPositive() {
		return r, refusal(tx.c.way.name(), r)
	}
	return r, nil
}

// leased reads a message and does not let it end when the lease may be lost: without
// its final dot the server forgets it.
type leased struct {
	io.Reader
	queue *queue.Queue
}

func (l *leased) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if errors.Is(err, io.EOF) && !l.queue.Alive() {
		return n, fmt.Errorf("the database was not reached for too long, another server may have this message: %w", errStopping)
	}
	return n, err
}

func (tx *transaction) reset(ctx context.Context) *trouble {
	r, err := tx.c.client.Rset(ctx)
	if err != nil {
		return broken(tx.c.way.name(), err)
	}
	if !r.IsPositive() {
		t := refusal(tx.c.way.name(), r)
		t.over = true
		return t
	}
	return nil
}

// limits takes what the server says about its limits (RFC 9422).
func (c *connection) limits() {
	l := c.ext.Limits()
	if n, err := strconv.Atoi(l["RCPTMAX"]); err == nil && n > 0 {
		c.most = min(n, 1000)
	}
}
