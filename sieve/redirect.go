package sieve

import (
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// redirect is the command of RFC 5228 section 4.2.
func (c *compiler) redirect(n *node) (command, error) {
	t, err := c.take(n, signature{arguments: []form{oneString}, tags: []tagForm{{name: "copy", needs: "copy"}}})
	if err != nil {
		return nil, err
	}
	to, err := c.oneText(t.arguments[0])
	if err != nil {
		return nil, err
	}
	if s, ok := to.constant(); ok {
		if _, ok := oneMailbox(s); !ok {
			return nil, c.fail(to.at, `"%s" is not an address that mail can go to`, s)
		}
	}
	return func(r *run) error {
		s, err := r.say(to)
		if err != nil {
			return err
		}
		box, ok := oneMailbox(s)
		if !ok {
			return r.fail(to.at, `"%s" is not an address that mail can go to`, s)
		}
		if !t.has("copy") {
			r.implicitKeep = false
		}
		return r.redirect(box.Address)
	}, nil
}

func (r *run) redirect(to mail.Address) error {
	if slices.Contains(r.actions.Redirects, to) {
		return nil
	}
	r.actions.Redirects = append(r.actions.Redirects, to)
	return r.bound()
}

// oneMailbox reads a text that is one address, with a display name or without.
func oneMailbox(s string) (message.Mailbox, bool) {
	boxes, err := message.ParseAddressList(s)
	if err != nil || len(boxes) != 1 || boxes[0].Group != "" || boxes[0].Address.Check() != nil {
		return message.Mailbox{}, false
	}
	return boxes[0], true
}
