package mailbox

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"

	"github.com/allgreen-mail/allgreen/message"
)

// Field is a part of a message in which words are looked for.
type Field uint8

// The fields, as bits. Zero in a Query is all of them.
const (
	InSubject Field = 1 << iota
	InPeople        // From, Sender, Reply-To, To, Cc, Bcc, and the Resent- ones
	InHeader        // the other fields of the header, but for those that hosts on the way wrote
	InBody          // text, the text of HTML, names of files, messages within

	inAll = InSubject | InPeople | InHeader | InBody
)

// fields is how many fields there are.
const fields = 4

// Bounds of what is read of a message.
const (
	maxWords = 1 << 20 // octets of words, of each field
	maxText  = 8 << 20 // octets of decoded text and HTML
	maxHTML  = 1 << 20 // of one token
)

// people are the header fields with addresses.
var people = map[string]bool{
	"from": true, "sender": true, "reply-to": true, "to": true, "cc": true, "bcc": true,
	"resent-from": true, "resent-sender": true, "resent-to": true, "resent-cc": true, "resent-bcc": true,
}

// machinery are the header fields that nobody looks for: signatures, results, routes,
// and how the body is encoded.
var machinery = map[string]bool{
	"received": true, "x-received": true, "return-path": true, "dkim-signature": true, "x-google-dkim-signature": true,
	"domainkey-signature": true, "authentication-results": true, "arc-authentication-results": true, "arc-seal": true,
	"arc-message-signature": true, "received-spf": true, "mime-version": true, "content-type": true,
	"content-transfer-encoding": true, "x-gm-message-state": true, "x-google-smtp-source": true,
	"x-ms-exchange-antispam-messagedata": true, "x-ms-exchange-antispam-messagedata-0": true, "x-microsoft-antispam": true,
	"x-microsoft-antispam-message-info": true, "autocrypt": true, "face": true, "x-face": true,
}

// document is the words of a message by field, in the order of their bits.
type document [fields]words

// readDocument reads a message. A broken one gives what can be read of it; the error is
// that of r.
func readDocument(r io.Reader) (*document, error) {
	d := &document{}
	for i := range d {
		d[i].limit = maxWords
	}
	seen := &witness{r: r}
	m, err := message.Read(seen, message.Limits{})
	if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) {
		return nil, err
	}
	for _, f := range m.Header.Fields {
		d.header(f.Name(), f.Value())
	}
	left := int64(maxText)
	if _, err = m.Walk(message.Limits{}, func(p *message.Part) error { return d.part(p, &left) }); err == nil {
		err = seen.err
	}
	return d, err
}

// witness remembers the error of a stream, which decoders above it take for the end.
type witness struct {
	r   io.Reader
	err error
}

func (w *witness) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// header takes a field of the message's own header.
func (d *document) header(name, value string) {
	to := &d[2]
	switch name = strings.ToLower(name); {
	case machinery[name]:
		return
	case name == "subject":
		to = &d[0]
	case people[name]:
		to = &d[1]
	}
	to.write([]byte(message.DecodeWords(value)))
	to.end()
}

// part takes a part of the body. What is left of the text that may be read goes down.
func (d *document) part(p *message.Part, left *int64) error {
	body := &d[fields-1]
	if p.Filename != "" {
		body.write([]byte(p.Filename))
		body.end()
	}
	if p.Depth > 0 { // a message within: what a person sees of it
		for _, name := range []string{"Subject", "From", "To", "Cc"} {
			if p.Header.Has(name) {
				body.write([]byte(p.Header.Text(name)))
				body.end()
			}
		}
	}
	if p.Holds() || !strings.HasPrefix(p.Type, "text/") && p.Type != "application/xhtml+xml" || *left <= 0 {
		return nil
	}
	text := &io.LimitedReader{R: p.Text(), N: *left}
	defer func() { *left = text.N; body.end() }()
	if p.Type == "text/html" || p.Type == "application/xhtml+xml" {
		return body.html(text)
	}
	buffer := make([]byte, 8<<10)
	for {
		n, err := text.Read(buffer)
		body.write(buffer[:n])
		if err != nil {
			return nil // of an encoding: the text ends here; of the stream: see witness
		}
	}
}

// inline are the elements that may stand within a word.
var inline = map[string]bool{
	"a": true, "abbr": true, "b": true, "bdi": true, "bdo": true, "big": true, "code": true, "del": true, "em": true, "font": true,
	"i": true, "ins": true, "kbd": true, "mark": true, "q": true, "s": true, "small": true, "span": true, "strike": true,
	"strong": true, "sub": true, "sup": true, "tt": true, "u": true, "var": true, "wbr": true,
}

// html takes what a person sees of HTML, and the texts that stand for pictures.
func (w *words) html(r io.Reader) error {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(maxHTML)
	hidden := 0 // depth of <style> and <script>
	for {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return nil // as in document.part
		case html.TextToken:
			if hidden == 0 {
				w.write(z.Text())
			}
			continue
		}
		name, more := z.TagName()
		tag := string(name)
		if !inline[tag] {
			w.end()
		}
		switch {
		case tag != "style" && tag != "script":
			w.alternatives(z, more)
		case kind == html.StartTagToken:
			hidden++
		case kind == html.EndTagToken && hidden > 0:
			hidden--
		}
	}
}

func (w *words) alternatives(z *html.Tokenizer, more bool) {
	for more {
		var key, value []byte
		if key, value, more = z.TagAttr(); string(key) == "alt" {
			w.end()
			w.write(value)
			w.end()
		}
	}
}
