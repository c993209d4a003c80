package sieve

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// vacationTags are those of RFC 5230 section 4 and RFC 6131.
var vacationTags = []tagForm{
	{name: "days", value: oneNumber, group: "period"},
	{name: "seconds", value: oneNumber, needs: "vacation-seconds", group: "period"},
	{name: "subject", value: oneString},
	{name: "from", value: oneString},
	{name: "addresses", value: stringList},
	{name: "mime"},
	{name: "handle", value: oneString},
}

const (
	day         = 24 * time.Hour
	vacationDue = 7 * day            // RFC 5230 section 4.1
	mostDays    = 365                // more is as good as for ever
	mostTime    = 365 * 24 * 60 * 60 // the same in seconds
)

// answer is a vacation command.
type answer struct {
	at                          int
	subject, from, reason, name text
	addresses                   []text
	mime                        bool
	again                       time.Duration
}

// vacation is the command of RFC 5230. It does not end the implicit keep.
func (c *compiler) vacation(n *node) (command, error) {
	t, err := c.take(n, signature{needs: []string{"vacation"}, tags: vacationTags, arguments: []form{oneString}})
	if err != nil {
		return nil, err
	}
	a := answer{at: n.at, mime: t.has("mime"), again: period(t)}
	for _, one := range []struct {
		to   *text
		from argument
	}{{&a.subject, t.tags["subject"]}, {&a.from, t.tags["from"]}, {&a.name, t.tags["handle"]}, {&a.reason, t.arguments[0]}} {
		if *one.to, err = c.oneText(one.from); err != nil {
			return nil, err
		}
	}
	if a.addresses, err = c.texts(t.tags["addresses"]); err != nil {
		return nil, err
	}
	if s, ok := a.from.constant(); ok && t.has("from") {
		if _, ok := oneMailbox(s); !ok {
			return nil, c.fail(a.from.at, `"%s" is not an address`, s)
		}
	}
	return a.run, nil
}

// period is how long one sender gets no second answer.
func period(t taken) time.Duration {
	a := t.tags[t.groups["period"].tag]
	switch t.groups["period"].tag {
	case "days":
		return time.Duration(max(1, min(a.value, mostDays))) * day // section 4.1: zero may be taken for one
	case "seconds":
		return time.Duration(min(a.value, mostTime)) * time.Second
	}
	return vacationDue
}

// run notes the answer. A second one in a run is an error (section 4.7).
func (a answer) run(r *run) error {
	if r.actions.Vacation != nil {
		return r.fail(a.at, `a second "vacation": there may be one for a message`)
	}
	v := &Vacation{MIME: a.mime, Again: a.again}
	var from, name string
	for _, one := range []struct {
		to   *string
		from text
	}{{&v.Subject, a.subject}, {&v.Text, a.reason}, {&from, a.from}, {&name, a.name}} {
		var err error
		if *one.to, err = r.say(one.from); err != nil {
			return err
		}
		*one.to = strings.ToValidUTF8(*one.to, "\uFFFD")
	}
	if from != "" {
		box, ok := oneMailbox(from)
		if !ok {
			return r.fail(a.from.at, `"%s" is not an address`, from)
		}
		v.From, v.FromName = box.Address, box.Name
	}
	var err error
	if v.Addresses, err = r.ownAddresses(a.addresses); err != nil {
		return err
	}
	v.Handle = handle(name, v)
	r.actions.Vacation = v
	return nil
}

// ownAddresses are those that could be read of what ":addresses" says.
func (r *run) ownAddresses(texts []text) (all []mail.Address, err error) {
	said, err := r.sayAll(texts)
	if err != nil {
		return nil, err
	}
	for _, s := range said {
		boxes, _ := message.ParseAddressList(s) // what is no address is nobody's
		for _, b := range boxes {
			all = append(all, b.Address)
		}
	}
	return all, nil
}

// handle is what the script calls the answer, or a digest of what it says (section
// 4.2): another text is another answer.
func handle(name string, v *Vacation) string {
	if name != "" {
		return "=" + clip(name, 100)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %v %q", v.Subject, v.From, v.MIME, v.Text))
	return hex.EncodeToString(sum[:16])
}
