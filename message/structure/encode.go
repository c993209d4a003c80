package structure

import (
	"encoding/binary"
	"io"
	"time"
)

// version is the first octet of what Encode makes. One that is not known is read as
// none: the message is taken apart again.
const version = 1

// Encode makes what is kept of the message, for Decode and EnvelopeOf: a version,
// IMAP's ENVELOPE, the message, its parts from the outside in. Numbers are variable in
// length; the words that nearly every message has are numbers too.
func (m *Message) Encode() []byte {
	b := make([]byte, 0, 768)
	b = append(b, version, 0, 0, 0, 0)
	b = m.Envelope.Append(b)
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-envelopeAt))
	b = binary.AppendUvarint(b, uint64(m.Size))
	b = appendTime(b, m.Sent)
	b = binary.AppendUvarint(b, uint64(len(m.References)))
	for _, id := range m.References {
		b = encodeString(b, id)
	}
	return m.Root.encode(b, 0)
}

// envelopeAt is where the envelope begins: behind the version and its length.
const envelopeAt = 5

// appendTime writes a time to the second and the minutes of its zone.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	_, zone := t.Zone()
	b = append(b, 1)
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendVarint(b, int64(zone/60))
}

// What stands in front of a part: which of its rarer things follow.
const (
	hasID = 1 << iota
	hasDescription
	hasMD5
	hasDisposition
	hasLanguage
	hasLocation
	hasChildren
	hasEnvelope
)

func (p *Part) encode(b []byte, origin int64) []byte {
	flags := p.flags()
	b = append(b, flags)
	b = encodeString(b, p.Type)
	b = encodeString(b, p.Subtype)
	b = encodeString(b, p.Encoding)
	b = encodeParams(b, p.Params)
	for _, v := range []int64{p.Header.Start - origin, p.Header.Size(), p.Body.Size(), p.Lines} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for _, s := range []struct {
		flag byte
		text string
	}{{hasID, p.ID}, {hasDescription, p.Description}, {hasMD5, p.MD5}, {hasLocation, p.Location}, {hasDisposition, p.Disposition}} {
		if flags&s.flag != 0 {
			b = encodeString(b, s.text)
		}
	}
	if flags&hasDisposition != 0 {
		b = encodeParams(b, p.DispositionParams)
	}
	if flags&hasLanguage != 0 {
		b = binary.AppendUvarint(b, uint64(len(p.Language)))
		for _, l := range p.Language {
			b = encodeString(b, l)
		}
	}
	if flags&hasEnvelope != 0 {
		b = encodeString(b, string(p.Envelope.Append(nil)))
	}
	if flags&hasChildren != 0 {
		b = binary.AppendUvarint(b, uint64(len(p.Children)))
		for _, child := range p.Children {
			b = child.encode(b, p.Body.Start)
		}
	}
	return b
}

func (p *Part) flags() (flags byte) {
	for _, is := range []struct {
		flag byte
		so   bool
	}{
		{hasID, p.ID != ""}, {hasDescription, p.Description != ""}, {hasMD5, p.MD5 != ""}, {hasLocation, p.Location != ""},
		{hasDisposition, p.Disposition != ""}, {hasLanguage, len(p.Language) > 0},
		{hasChildren, len(p.Children) > 0}, {hasEnvelope, p.Envelope != nil},
	} {
		if is.so {
			flags |= is.flag
		}
	}
	return flags
}

func encodeParams(b []byte, params []Param) []byte {
	b = binary.AppendUvarint(b, uint64(len(params)))
	for _, p := range params {
		b = encodeString(b, p.Name)
		b = encodeString(b, p.Value)
	}
	return b
}

// encodeString writes an odd number for a word of the list, twice its place in it and
// one; otherwise twice the length, and the octets.
func encodeString(b []byte, s string) []byte {
	if n := wordNumber(s); n >= 0 {
		return binary.AppendUvarint(b, uint64(n)<<1|1)
	}
	b = binary.AppendUvarint(b, uint64(len(s))<<1)
	return append(b, s...)
}

// Of reads a message and makes what is kept of it. The error is that of r.
func Of(r io.Reader) ([]byte, error) {
	m, err := Read(r)
	if err != nil {
		return nil, err
	}
	return m.Encode(), nil
}
