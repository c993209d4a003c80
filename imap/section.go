package imap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// reading is one message of a FETCH.
type reading struct {
	*fetching
	ctx     context.Context
	m       *mailbox.Message
	encoded []byte             // its structure; nil: no item needs it
	parts   *structure.Message // decoded; nil: not yet
	body    *store.Body        // nil: no item needs it
}

// prepare has everything at hand before the first octet of the answer: an answer that
// has begun cannot be taken back.
func (r *reading) prepare() (err error) {
	if r.want&mailbox.Structures != 0 {
		if r.encoded, err = r.structureOf(r.ctx, r.m); err != nil {
			return err
		}
		if len(r.encoded) != len(r.m.Structure) && len(r.made) < maxMade {
			if r.made == nil {
				r.fetching.made = make(map[mailbox.UID][]byte)
			}
			r.made[r.m.UID] = r.encoded
		}
	}
	if r.bodies {
		if r.parts, err = structure.Decode(r.encoded); err != nil {
			return err
		}
		r.body, err = r.store().OpenBody(r.ctx, r.m.Body)
	}
	return err
}

func (r *reading) close() {
	if r.body != nil {
		r.body.Close()
	}
}

// item answers one item.
func (r *reading) item(item *syntax.FetchItem) error {
	w := r.out
	switch item.Kind {
	case syntax.FetchUID:
		w.Raw("UID ").Number(int64(r.m.UID))
	case syntax.FetchFlags:
		w.Raw("FLAGS ").Flags(flagWords(r.m))
	case syntax.FetchModSeq:
		w.Raw("MODSEQ (").Number(r.m.ModSeq).Raw(")")
	case syntax.FetchInternalDate:
		w.Raw("INTERNALDATE ").DateTime(r.m.Received)
	case syntax.FetchSize:
		w.Raw("RFC822.SIZE ").Number(r.m.Size)
	case syntax.FetchEnvelope:
		w.Raw("ENVELOPE ").Bytes(structure.EnvelopeOf(r.encoded))
	case syntax.FetchBody, syntax.FetchBodyStructure:
		return r.structure(item.Kind == syntax.FetchBodyStructure)
	case syntax.FetchBinary, syntax.FetchBinarySize:
		return r.binary(item)
	default:
		return r.section(item)
	}
	return nil
}

func (r *reading) structure(extended bool) error {
	if r.parts == nil {
		var err error
		if r.parts, err = structure.Decode(r.encoded); err != nil {
			return err
		}
	}
	name := "BODY "
	if extended {
		name = "BODYSTRUCTURE "
	}
	r.out.Raw(name).Bytes(r.parts.BodyStructure(extended))
	return nil
}

// section answers BODY[...] and its old names. A part that is not there is NIL.
func (r *reading) section(item *syntax.FetchItem) error {
	section := item.Section
	switch item.Kind {
	case syntax.FetchRFC822:
		r.out.Raw("RFC822 ")
	case syntax.FetchRFC822Header:
		r.out.Raw("RFC822.HEADER ")
		section.Text = syntax.SectionHeader
	case syntax.FetchRFC822Text:
		r.out.Raw("RFC822.TEXT ")
		section.Text = syntax.SectionBody
	default:
		r.out.Raw("BODY[").Raw(section.String()).Raw("]")
		r.origin(item.Partial)
	}
	at, there := r.locate(section)
	switch {
	case !there:
		r.out.Raw("NIL")
	case section.Text == syntax.SectionFields || section.Text == syntax.SectionFieldsNot:
		picked, err := pickFields(io.NewSectionReader(r.body, at.Start, at.Size()), section)
		if err != nil {
			return err
		}
		r.out.Literal(slice(int64(len(picked)), item.Partial).read(bytes.NewReader(picked)))
	default:
		piece := slice(at.Size(), item.Partial)
		piece.Start, piece.End = piece.Start+at.Start, piece.End+at.Start
		r.out.Literal(piece.read(r.body))
	}
	return r.out.Err()
}

// origin says where a partial answer begins.
func (r *reading) origin(p *syntax.Partial) {
	if p != nil {
		r.out.Raw("<").Number(int64(p.Offset)).Raw(">")
	}
	r.out.Raw(" ")
}

// piece is a range to be sent.
type piece structure.Range

// slice is what a client wants of so many octets.
func slice(size int64, p *syntax.Partial) piece {
	if p == nil {
		return piece{0, size}
	}
	from := min(int64(p.Offset), size)
	return piece{from, min(from+int64(p.Count), size)}
}

func (p piece) read(r io.ReaderAt) (int64, io.Reader) {
	return p.End - p.Start, io.NewSectionReader(r, p.Start, p.End-p.Start)
}

// locate finds the octets that a section names, whole headers for those of which only
// some fields are wanted (RFC 9051 section 6.4.5.1).
func (r *reading) locate(section syntax.Section) (structure.Range, bool) {
	p := r.parts.Find(section.Part)
	if p == nil {
		return structure.Range{}, false
	}
	if len(section.Part) == 0 {
		if section.Text == syntax.SectionAll {
			return structure.Range{End: p.Body.End}, true
		}
	} else {
		switch section.Text {
		case syntax.SectionAll:
			return p.Body, true
		case syntax.SectionMIME:
			return p.Header, true
		}
		if !p.IsMessage() {
			return structure.Range{}, false // only a message within has a HEADER and a TEXT
		}
		p = p.Children[0]
	}
	if section.Text == syntax.SectionBody {
		return p.Body, true
	}
	return p.Header, true
}

// pickFields gives of a header the fields that are named, or all others, as they came,
// and the empty line.
func pickFields(r io.Reader, section syntax.Section) ([]byte, error) {
	in := bufio.NewReader(r)
	var out []byte
	wanted := false
	for begins := true; ; {
		line, err := in.ReadSlice('\n')
		if len(line) == 0 || begins && len(bytes.TrimRight(line, "\r\n")) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if len(out) > 0 && out[len(out)-1] != '\n' {
				out = append(out, "\r\n"...)
			}
			return append(out, "\r\n"...), nil
		}
		if begins && line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			wanted = isNamed(bytes.TrimRight(name, " \t\r\n"), section.Fields) != (section.Text == syntax.SectionFieldsNot)
		}
		if wanted {
			out = append(out, line...)
		}
		begins = err == nil
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

func isNamed(name []byte, fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return len(f) == len(name) && strings.EqualFold(f, string(name)) })
}

// binary answers BINARY and BINARY.SIZE: content with its transfer encoding undone
// (RFC 3516).
func (r *reading) binary(item *syntax.FetchItem) error {
	name := "BINARY["
	if item.Kind == syntax.FetchBinarySize {
		name = "BINARY.SIZE["
	}
	r.out.Raw(name).Raw(item.Section.String()).Raw("]")
	r.origin(item.Partial)
	content, err := r.decoded(item.Section.Part)
	if err != nil {
		return err
	}
	if content == nil {
		r.out.Raw("NIL")
		return nil
	}
	size, err := io.Copy(io.Discard, content())
	if err != nil {
		return err
	}
	if item.Kind == syntax.FetchBinarySize {
		r.out.Number(size)
		return nil
	}
	piece := slice(size, item.Partial)
	rest := content()
	if _, err := io.CopyN(io.Discard, rest, piece.Start); err != nil {
		return err
	}
	r.out.Literal8(piece.End-piece.Start, rest)
	return r.out.Err()
}

// decoded gives what reads the content of a part from its beginning, as often as it is
// asked. Containers have no encoding. It is nil where there is no such part, or its
// encoding is not known: then the command fails (RFC 3516 section 4.3).
func (r *reading) decoded(part []int) (func() io.Reader, error) {
	at, there := r.locate(syntax.Section{Part: part})
	if !there {
		return nil, nil
	}
	raw := func() io.Reader { return io.NewSectionReader(r.body, at.Start, at.Size()) }
	p := r.parts.Find(part)
	switch {
	case len(part) == 0 || p.IsMultipart() || p.IsMessage():
		return raw, nil
	case !message.KnownEncoding(p.Encoding):
		r.fetching.failed = no("UNKNOWN-CTE", "The encoding %.40q is not known", p.Encoding)
		return nil, nil
	}
	return func() io.Reader { return message.Leaf(p.Type+"/"+p.Subtype, "", p.Encoding, raw()).Content() }, nil
}
