package submit

import (
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
)

// hasLongText reports a text with lines that no server has to carry (RFC 5322 section
// 2.1.1), which others break up or refuse, and whose encoding may be set right. Parts of a
// larger message keep theirs: whoever made those knew of MIME.
func (l *letter) hasLongText() bool {
	if !l.Mend || l.form.LongLines == 0 {
		return false
	}
	kind := strings.ToLower(strings.TrimSpace(l.header.Value("Content-Type")))
	encoding := strings.ToLower(strings.TrimSpace(l.header.Value("Content-Transfer-Encoding")))
	return (kind == "" || strings.HasPrefix(kind, "text/")) && (encoding == "" || encoding == "7bit" || encoding == "8bit")
}

// shorten writes the text anew as quoted-printable, and begins its signatures anew.
func (s *Submitter) shorten(l *letter, long, short *store.Spool) (*dkim.Signing, error) {
	setMIME(&l.header, true)
	for i, f := range l.header.Fields {
		if f.Is("Content-Transfer-Encoding") {
			l.header.Fields[i] = message.NewField("Content-Transfer-Encoding", "quoted-printable")
		}
	}
	if !l.header.Has("Content-Transfer-Encoding") {
		l.header.Fields = append(l.header.Fields, message.NewField("Content-Transfer-Encoding", "quoted-printable"))
	}
	if !l.header.Has("MIME-Version") {
		l.header.Fields = append(l.header.Fields, message.NewField("MIME-Version", "1.0"))
	}
	signing, err := s.signing(l)
	if err != nil {
		return nil, err
	}
	in, err := long.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	l.form = message.Form{}
	out := quotedprintable.NewWriter(io.MultiWriter(short, &l.form, signing))
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	return signing, err
}
