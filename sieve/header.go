package sieve

import (
	"strings"

	"github.com/allgreen-mail/allgreen/message"
)

// indexTags choose one of several fields of a name (RFC 5260 section 6).
var indexTags = []tagForm{
	{name: "index", value: oneNumber, needs: "index"},
	{name: "last", needs: "index"},
}

// choice is which of the fields of one name a test looks at: all with the zero value.
type choice struct {
	index int64 // from 1
	last  bool  // counted from the bottom
}

func (c *compiler) choice(t taken) (choice, error) {
	ch := choice{last: t.has("last")}
	a, said := t.tags["index"]
	switch {
	case said && a.value == 0:
		return ch, c.fail(a.at, "fields count from 1")
	case said:
		ch.index = a.value
	case ch.last:
		return ch, c.fail(t.tags["last"].at, `":last" needs ":index"`)
	}
	return ch, nil
}

// of are the fields of a name that were chosen.
func (ch choice) of(h message.Header, name string) []message.Field {
	var all []message.Field
	for f := range h.All(name) {
		all = append(all, f)
	}
	if ch.index == 0 {
		return all
	}
	if ch.index > int64(len(all)) {
		return nil
	}
	i := int(ch.index) - 1
	if ch.last {
		i = len(all) - 1 - i
	}
	return all[i : i+1]
}

// fieldNames compiles the names of fields.
func (c *compiler) fieldNames(a argument) ([]text, error) {
	names, err := c.texts(a)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if name, ok := n.constant(); ok && !isFieldName(name) {
			return nil, c.fail(n.at, `"%s" is not the name of a header field`, name)
		}
	}
	return names, nil
}

// isFieldName is ftext of RFC 5322 section 3.6.8.
func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

// header is the test of RFC 5228 section 5.7.
func (c *compiler) header(n *node) (test, error) {
	t, err := c.take(n, signature{tags: append(indexTags[:2:2], matchTags...), arguments: []form{stringList, stringList}})
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
	m, err := c.matcher(t)
	return func(r *run) (bool, error) {
		var values []string
		for _, n := range names {
			name, err := r.say(n)
			if err != nil {
				return false, err
			}
			for _, f := range which.of(r.message.Header, name) {
				values = append(values, strings.TrimSpace(f.Text()))
			}
		}
		return m.any(r, values)
	}, err
}

// exists is the test of RFC 5228 section 5.5: all of them must.
func (c *compiler) exists(n *node) (test, error) {
	t, err := c.take(n, signature{arguments: []form{stringList}})
	if err != nil {
		return nil, err
	}
	names, err := c.fieldNames(t.arguments[0])
	return func(r *run) (bool, error) {
		for _, n := range names {
			name, err := r.say(n)
			if err != nil || !r.message.Header.Has(name) {
				return false, err
			}
		}
		return true, nil
	}, err
}

// size is the test of RFC 5228 section 5.9; neither is true of the very size.
func (c *compiler) size(n *node) (test, error) {
	t, err := c.take(n, signature{tags: []tagForm{
		{name: "over", value: oneNumber, group: "size"},
		{name: "under", value: oneNumber, group: "size"},
	}})
	if err != nil {
		return nil, err
	}
	a, ok := t.groups["size"]
	if !ok {
		return nil, c.fail(n.at, `"size" needs ":over" or ":under"`)
	}
	limit := t.tags[a.tag].value
	return func(r *run) (bool, error) {
		if a.tag == "over" {
			return r.message.Size > limit, nil
		}
		return r.message.Size < limit, nil
	}, nil
}
