package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// Link is an address on the web, or one to write to, that a part shows or loads.
type Link struct {
	URL  string // as written, entities decoded
	From string // the attribute it stands in, "href" or "src"; "text" for plain text
	Tag  string // the element, "a" or "img"; "" for plain text
	Text string // of <a>: what a person sees and clicks on
}

const (
	maxLinks    = 1000
	maxURL      = 4096
	maxLinkText = 500
	maxToken    = 1 << 20 // of HTML: pictures hide in data: URLs
)

// Links are the addresses in a text/plain or text/html part, at most a thousand.
// Other parts have none. It reads the content; an error is one of the stream.
func (p *Part) Links() ([]Link, error) {
	switch p.Type {
	case "text/html", "application/xhtml+xml":
		return htmlLinks(p.Text())
	case "text/plain":
		return textLinks(p.Text())
	}
	return nil, nil
}

// linkAttributes are those whose value is fetched or followed.
var linkAttributes = map[string]bool{
	"href": true, "src": true, "action": true, "formaction": true, "background": true,
	"poster": true, "data": true, "cite": true, "longdesc": true,
}

// linkFinder gathers the links of one HTML document.
type linkFinder struct {
	links  []Link
	anchor int // index of the open <a> in links, -1 outside
	opaque int // depth of <style> and <script>
}

// HTMLLinks are the links of an HTML document that stands by itself, such as a web
// page. It reads r to its end or to the thousandth link.
func HTMLLinks(r io.Reader) ([]Link, error) { return htmlLinks(r) }

func htmlLinks(r io.Reader) ([]Link, error) {
	f := &linkFinder{anchor: -1}
	z := html.NewTokenizer(r)
	z.SetMaxBuf(maxToken)
	for len(f.links) < maxLinks {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) && !errors.Is(err, html.ErrBufferExceeded) {
				return f.links, err
			}
			return f.links, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			f.open(z)
		case html.EndTagToken:
			f.close(z)
		case html.TextToken:
			f.text(string(z.Text()))
		}
	}
	return f.links, nil
}

func (f *linkFinder) open(z *html.Tokenizer) {
	name, more := z.TagName()
	tag := string(name)
	if tag == "style" || tag == "script" {
		f.opaque++
	}
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		url := strings.TrimSpace(string(value))
		if !linkAttributes[string(key)] || url == "" || strings.HasPrefix(url, "#") || len(f.links) == maxLinks {
			continue
		}
		f.links = append(f.links, Link{URL: url[:min(len(url), maxURL)], From: string(key), Tag: tag})
		if tag == "a" && string(key) == "href" {
			f.anchor = len(f.links) - 1
		}
	}
}

func (f *linkFinder) close(z *html.Tokenizer) {
	name, _ := z.TagName()
	switch tag := string(name); {
	case tag == "a":
		f.anchor = -1
	case (tag == "style" || tag == "script") && f.opaque > 0:
		f.opaque--
	}
}

// text is what a person sees of an anchor, or may hold addresses itself.
func (f *linkFinder) text(s string) {
	switch {
	case f.opaque > 0:
	case f.anchor >= 0:
		l := &f.links[f.anchor]
		l.Text = strings.Join(strings.Fields(l.Text+" "+s), " ")
		l.Text = strings.ToValidUTF8(l.Text[:min(len(l.Text), maxLinkText)], "")
	default:
		for word := range strings.FieldsSeq(s) {
			f.links = appendURLs(f.links, word[:min(len(word), 2*maxURL)])
		}
	}
}

// textLinks reads words: an address ends at white space.
func textLinks(r io.Reader) ([]Link, error) {
	var links []Link
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 2*maxURL), 2*maxURL)
	s.Split(splitWords)
	for len(links) < maxLinks && s.Scan() {
		links = appendURLs(links, s.Text())
	}
	return links, s.Err()
}

// splitWords is bufio.ScanWords that cuts endless words instead of failing.
func splitWords(data []byte, atEOF bool) (int, []byte, error) {
	start := len(data) - len(bytes.TrimLeft(data, " \t\r\n"))
	word := data[start:]
	if i := bytes.IndexAny(word, " \t\r\n"); i >= 0 {
		return start + i + 1, word[:i], nil
	}
	if len(word) > 0 && (atEOF || len(word) > maxURL) {
		return len(data), word, nil
	}
	return start, nil, nil
}

// appendURLs finds the addresses in a word: behind brackets, before punctuation.
func appendURLs(links []Link, word string) []Link {
	for len(links) < maxLinks {
		i := indexURL(word)
		if i < 0 {
			break
		}
		word = word[i:]
		end := strings.IndexAny(word, "<>\"`")
		if end < 0 {
			end = len(word)
		}
		url := strings.TrimRight(word[:end], ".,;:!?'")
		if strings.HasSuffix(url, ")") && !strings.Contains(url, "(") || strings.HasSuffix(url, "]") {
			url = url[:len(url)-1]
		}
		links = append(links, Link{URL: url[:min(len(url), maxURL)], From: "text"})
		word = word[end:]
	}
	return links
}

// indexURL finds what mail programs make a link of.
func indexURL(s string) int {
	lower := strings.ToLower(s)
	if len(lower) != len(s) {
		lower = s // folding changed the length: positions would not fit
	}
	first := -1
	for _, scheme := range []string{"http://", "https://", "ftp://", "mailto:", "www."} {
		if i := strings.Index(lower, scheme); i >= 0 && len(lower) > i+len(scheme) && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}
