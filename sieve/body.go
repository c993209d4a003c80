package sieve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/allgreen-mail/allgreen/message"
)

// body is the test of RFC 5173. It sets no match variables (section 6).
func (c *compiler) body(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"body"}, arguments: []form{stringList}, tags: append([]tagForm{
		{name: "raw", group: "transform"},
		{name: "text", group: "transform"},
		{name: "content", value: stringList, group: "transform"},
	}, matchTags...)})
	if err != nil {
		return nil, err
	}
	m, err := c.matcher(t)
	if err != nil {
		return nil, err
	}
	m.notes = false
	var types []text
	how := t.groups["transform"].tag
	if how == "content" {
		if types, err = c.texts(t.tags[how]); err != nil {
			return nil, err
		}
	}
	return func(r *run) (bool, error) {
		wanted, err := r.sayAll(types)
		if err != nil {
			return false, err
		}
		values, err := r.bodyFor(how, wanted)
		if err != nil {
			return false, err
		}
		return m.any(r, values)
	}, nil
}

// bodyFor is the body as a test wants it, each part a value. What was read once is
// not read again.
func (r *run) bodyFor(how string, types []string) (values []string, err error) {
	key := how + "\x00" + strings.Join(types, "\x00")
	if values, ok := r.read[key]; ok {
		return values, nil
	}
	if r.message.Body == nil {
		return nil, nil
	}
	body, err := r.message.Body()
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	defer body.Close()
	left := r.script.limits.Text
	if how == "raw" {
		values, err = appendText(nil, body, &left)
	} else {
		values, err = r.walk(body, how, types, &left)
	}
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if r.read == nil {
		r.read = make(map[string][]string)
	}
	r.read[key] = values
	return values, r.spend(r.script.limits.Text - left)
}

// appendText reads as much as is left to be read. What is cut off is not looked at.
func appendText(values []string, from io.Reader, left *int) ([]string, error) {
	octets, err := io.ReadAll(io.LimitReader(from, int64(*left)))
	*left -= len(octets)
	return append(values, strings.ToValidUTF8(string(octets), "\uFFFD")), err
}

// walk gathers the parts that are wanted.
func (r *run) walk(body io.Reader, how string, types []string, left *int) (values []string, err error) {
	m := &message.Message{Header: r.message.Header, Body: bufio.NewReader(body)}
	_, err = m.Walk(message.Limits{}, func(p *message.Part) error {
		if *left <= 0 {
			return message.ErrStop
		}
		if p.Holds() || !isWanted(p, how, types) {
			return nil
		}
		content := p.Content()
		if strings.HasPrefix(p.Type, "text/") {
			content = p.Text()
		}
		if how != "content" && p.Type == "text/html" {
			content = visible(content)
		}
		values, err = appendText(values, content, left)
		return err
	})
	return values, err
}

// isWanted reports whether a part is one of those the test asks for (section 5.2 for
// the types, 5.3 for text: all parts that are text).
func isWanted(p *message.Part, how string, types []string) bool {
	if how != "content" {
		return strings.HasPrefix(p.Type, "text/") && p.Disposition != "attachment"
	}
	return slices.ContainsFunc(types, func(t string) bool {
		t = strings.ToLower(t)
		switch {
		case t == "":
			return true
		case strings.HasPrefix(t, "/") || strings.HasSuffix(t, "/") || strings.Count(t, "/") > 1:
			return false
		case strings.Contains(t, "/"):
			return p.Type == t
		}
		return strings.HasPrefix(p.Type, t+"/")
	})
}

// visible is the text of HTML without its marks.
func visible(r io.Reader) io.Reader {
	return &visibleText{tokens: html.NewTokenizer(r)}
}

type visibleText struct {
	tokens *html.Tokenizer
	hidden bool // within style or script
	ready  []byte
}

// maxMark bounds one mark of HTML.
const maxMark = 256 << 10

// Read gives the next text.
func (v *visibleText) Read(p []byte) (int, error) {
	v.tokens.SetMaxBuf(maxMark)
	for len(v.ready) == 0 {
		switch v.tokens.Next() {
		case html.ErrorToken:
			if err := v.tokens.Err(); !errors.Is(err, html.ErrBufferExceeded) {
				return 0, err
			}
			return 0, io.EOF
		case html.TextToken:
			if !v.hidden {
				v.ready = []byte(html.UnescapeString(string(v.tokens.Raw())))
			}
		case html.StartTagToken:
			v.hidden = v.isHiding()
		case html.EndTagToken:
			v.hidden = false
		}
	}
	n := copy(p, v.ready)
	v.ready = v.ready[n:]
	return n, nil
}

func (v *visibleText) isHiding() bool {
	name, _ := v.tokens.TagName()
	return string(name) == "style" || string(name) == "script"
}
