package deliver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// trouble is why a message, or one of its recipients, was not taken.
type trouble struct {
	text      string // what happened: the reply as it came, or our own words
	reply     mail.Reply
	host      string // who said so; "" when nobody did
	permanent bool
	status    mail.EnhancedCode
	over      bool      // the connection can be used no more
	tooMuch   bool      // a sign that the destination has more than it bears
	stale     bool      // the server hung up between two messages: nothing was tried
	unsettled bool      // the final dot was sent and not answered
	stopped   bool      // we gave up ourselves, because we stop
	ours      bool      // our store failed: the other side had no part in it
	retryBy   time.Time // not zero: try again then at the latest
}

// code makes an enhanced status code.
func code(class, subject, detail int) mail.EnhancedCode {
	return mail.EnhancedCode{Class: class, Subject: subject, Detail: detail}
}

// temporary is trouble in our own words that may pass.
func temporary(status mail.EnhancedCode, format string, args ...any) *trouble {
	return &trouble{text: fmt.Sprintf(format, args...), status: status}
}

// fromStore is trouble with what we remember: it cannot be read now.
func fromStore(format string, args ...any) *trouble {
	t := temporary(code(4, 3, 0), format, args...)
	t.ours = true
	return t
}

// permanent is trouble in our own words that stays.
func permanent(status mail.EnhancedCode, format string, args ...any) *trouble {
	return &trouble{text: fmt.Sprintf(format, args...), status: status, permanent: true}
}

// refusal is what a negative reply means.
func refusal(host string, r mail.Reply) *trouble {
	t := &trouble{text: r.String(), reply: r, host: host, permanent: r.IsPermanent(), status: r.Enhanced}
	if t.status.IsZero() {
		t.status = code(r.Code/100, 0, 0)
	}
	if !r.IsTransient() && !r.IsPermanent() { // an answer that answers nothing
		t.permanent, t.status = false, code(4, 5, 0)
		t.text = "the server gave an answer that does not fit: " + r.String()
	}
	t.over = r.Code == 421
	t.tooMuch = t.over
	return t
}

// broken is what the end of a dialogue means. It is always temporary, but for a
// message that cannot be said at all.
func broken(host string, err error) *trouble {
	t := &trouble{text: err.Error(), host: host, status: code(4, 4, 2), over: true}
	if e, ok := errors.AsType[*smtp.DialogueError](err); ok {
		t.unsettled = e.During == "the end of data"
	}
	switch {
	case errors.Is(err, errStopping), errors.Is(err, context.Canceled):
		t.stopped = true
	case errors.Is(err, smtp.ErrBody), errors.Is(err, smtp.ErrCommand):
		t.permanent, t.status, t.host = true, code(5, 6, 0), ""
		t.text = "the message is damaged: it has line ends that cannot be sent"
	case errors.Is(err, smtp.ErrTimeout):
		t.tooMuch = true
	}
	if t.unsettled {
		t.text += "; the message may have arrived, and may arrive twice"
	}
	return t
}

// sentence is the trouble with whom it came from.
func (t *trouble) sentence() string {
	if t.host == "" {
		return t.text
	}
	if !t.reply.IsZero() {
		return t.host + " said " + strings.TrimSpace(t.text)
	}
	return t.host + ": " + t.text
}
