package sieve

import (
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// partTags choose a part of an address (RFC 5228 section 2.7.4, RFC 5233).
var partTags = []tagForm{
	{name: "all", group: "part"},
	{name: "localpart", group: "part"},
	{name: "domain", group: "part"},
	{name: "user", needs: "subaddress", group: "part"},
	{name: "detail", needs: "subaddress", group: "part"},
}

// addressFields are the fields of which RFC 5228 section 5.1 and its successors know
// that they hold addresses.
var addressFields = []string{
	"from", "to", "cc", "bcc", "sender", "reply-to", "resent-from", "resent-to", "resent-cc", "resent-bcc", "resent-sender",
	"resent-reply-to", "return-path", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "apparently-to",
	"mail-followup-to", "mail-reply-to", "disposition-notification-to", "errors-to", "return-receipt-to", "x-forwarded-to",
}

// separator divides the detail from the user in a local part.
const separator = "+"

// partOf is the part of an address that is compared; ok is false where the address has
// none.
func partOf(a mail.Address, part string) (s string, ok bool) {
	user, detail, hasDetail := strings.Cut(a.Local, separator)
	switch part {
	case "localpart":
		return a.Local, true
	case "domain":
		if a.IsZero() {
			return "", true
		}
		s = a.String()
		return s[strings.LastIndexByte(s, '@')+1:], true
	case "user":
		return user, true
	case "detail":
		return detail, hasDetail // RFC 5233 section 4: no separator, no match
	}
	return a.String(), true
}

// parts are those of all addresses that have one.
func parts(all []mail.Address, part string) (values []string) {
	for _, a := range all {
		if s, ok := partOf(a, part); ok {
			values = append(values, s)
		}
	}
	return values
}

// address is the test of RFC 5228 section 5.1. An address that cannot be read matches
// nothing.
func (c *compiler) address(n *node) (test, error) {
	t, err := c.take(n, signature{tags: slices.Concat(partTags, indexTags, matchTags), arguments: []form{stringList, stringList}})
	if err != nil {
		return nil, err
	}
	which, err := c.choice(t)
	if err != nil {
		return nil, err
	}
	names, err := c.fieldNames(t.arguments[0])
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if name, ok := n.constant(); ok && !slices.Contains(addressFields, strings.ToLower(name)) {
			return nil, c.fail(n.at, `"%s" is not known to hold addresses; use "header"`, name)
		}
	}
	m, err := c.matcher(t)
	return func(r *run) (bool, error) {
		values, err := r.addresses(names, which, t.groups["part"].tag)
		if err != nil {
			return false, err
		}
		return m.any(r, values)
	}, err
}

func (r *run) addresses(names []text, which choice, part string) ([]string, error) {
	var all []mail.Address
	for _, n := range names {
		name, err := r.say(n)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(addressFields, strings.ToLower(name)) {
			continue
		}
		for _, f := range which.of(r.message.Header, name) {
			if err := r.spend(len(f.Raw())); err != nil {
				return nil, err
			}
			boxes, _ := message.ParseAddressList(f.Body()) // what could be read of a list
			for _, b := range boxes {
				all = append(all, b.Address)
			}
		}
	}
	return parts(all, part), nil
}

// envelope is the test of RFC 5228 section 5.4.
func (c *compiler) envelope(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"envelope"}, tags: append(partTags[:5:5], matchTags...), arguments: []form{stringList, stringList}})
	if err != nil {
		return nil, err
	}
	names, err := c.texts(t.arguments[0])
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if name, ok := n.constant(); ok && !strings.EqualFold(name, "from") && !strings.EqualFold(name, "to") {
			return nil, c.fail(n.at, `the envelope has "from" and "to", and no "%s"`, name)
		}
	}
	m, err := c.matcher(t)
	return func(r *run) (bool, error) {
		var all []mail.Address
		for _, n := range names {
			switch name, err := r.say(n); {
			case err != nil:
				return false, err
			case strings.EqualFold(name, "from"):
				all = append(all, r.message.From)
			case strings.EqualFold(name, "to"):
				all = append(all, r.message.To)
			}
		}
		return m.any(r, parts(all, t.groups["part"].tag))
	}, err
}
