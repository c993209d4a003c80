package structure

import (
	"encoding/binary"
	"time"
)

// EnvelopeOf is IMAP's ENVELOPE out of what Encode made, nil when that is nothing of
// ours. It shares the memory of b, and decodes nothing.
func EnvelopeOf(b []byte) []byte {
	if len(b) < envelopeAt || b[0] != version {
		return nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if uint64(n) > uint64(len(b)-envelopeAt) {
		return nil
	}
	return b[envelopeAt : envelopeAt+n : envelopeAt+n]
}

// Decode reads what Encode made. ErrEncoded: it is nothing of ours, or of another
// version, and the message must be taken apart again.
func Decode(b []byte) (*Message, error) { return decode(b, WithAll, true) }

// DecodeHead is Decode without the parts, and with only those fields of the header that
// are wanted, for searching, sorting and threading. Size and Sent are always there.
func DecodeHead(b []byte, want Fields) (*Message, error) { return decode(b, want, false) }

func decode(b []byte, want Fields, parts bool) (*Message, error) {
	envelope := EnvelopeOf(b)
	if envelope == nil {
		return nil, ErrEncoded
	}
	m := &Message{}
	var err error
	if m.Envelope, err = parseEnvelope(envelope, want); err != nil {
		return nil, err
	}
	d := decoder{rest: string(b[envelopeAt+len(envelope):])}
	m.Size = d.number()
	m.Sent = d.time()
	if want&WithIDs == 0 && !parts {
		return m, d.err()
	}
	if n := d.count(); n > 0 {
		m.References = make([]string, n)
		for i := range m.References {
			m.References[i] = d.string()
		}
	}
	if parts {
		m.Root = d.part(0, 0)
		if d.rest != "" {
			d.bad = true
		}
	}
	return m, d.err()
}

// decoder reads from the left; after the first fault everything is zero.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) err() error {
	if d.bad {
		return ErrEncoded
	}
	return nil
}

func (d *decoder) fail() {
	d.bad, d.rest = true, ""
}

func (d *decoder) octet() byte {
	if d.rest == "" {
		d.fail()
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

// number reads what fits into an int64 and is not negative.
func (d *decoder) number() int64 {
	var v uint64
	for shift := 0; shift < 63; shift += 7 {
		c := d.octet()
		v |= uint64(c&0x7F) << shift
		if c < 0x80 {
			return int64(v)
		}
	}
	d.fail()
	return 0
}

func (d *decoder) signed() int64 {
	var b [binary.MaxVarintLen64]byte
	v, n := binary.Varint(b[:copy(b[:], d.rest)])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count is how many things follow, each of an octet at least.
func (d *decoder) count() int {
	n := d.number()
	if n > int64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) time() time.Time {
	if d.octet() == 0 {
		return time.Time{}
	}
	unix, zone := d.signed(), d.signed()
	return time.Unix(unix, 0).In(zoneOf(int(zone)))
}

// zoneOf is the zone of so many minutes east of Greenwich.
func zoneOf(minutes int) *time.Location {
	if minutes == 0 {
		return time.UTC
	}
	return time.FixedZone("", minutes*60)
}

func (d *decoder) string() string {
	n := d.number()
	if n&1 == 1 {
		if n>>1 < int64(len(words)) {
			return words[n>>1]
		}
		d.fail()
		return ""
	}
	if n >>= 1; n > int64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) params() []Param {
	n := d.count()
	if n == 0 {
		return nil
	}
	params := make([]Param, n)
	for i := range params {
		params[i] = Param{d.string(), d.string()}
	}
	return params
}

func (d *decoder) part(origin int64, depth int) *Part {
	if depth > maxDepth+1 {
		d.fail()
		return &Part{}
	}
	flags := d.octet()
	p := &Part{Type: d.string(), Subtype: d.string(), Encoding: d.string(), Params: d.params()}
	p.Header.Start = origin + d.number()
	p.Header.End = p.Header.Start + d.number()
	p.Body.Start = p.Header.End
	p.Body.End = p.Body.Start + d.number()
	p.Lines = d.number()
	if p.Body.End < p.Body.Start || p.Body.Start < p.Header.Start || p.Header.Start < origin {
		d.fail()
	}
	d.rarer(p, flags)
	if flags&hasChildren != 0 {
		p.Children = make([]*Part, d.count())
		for i := range p.Children {
			p.Children[i] = d.part(p.Body.Start, depth+1)
		}
	}
	if p.IsMultipart() && len(p.Children) == 0 || p.IsMessage() && len(p.Children) != 1 {
		d.fail()
	}
	return p
}

// rarer reads what few parts have.
func (d *decoder) rarer(p *Part, flags byte) {
	for _, s := range []struct {
		flag byte
		text *string
	}{{hasID, &p.ID}, {hasDescription, &p.Description}, {hasMD5, &p.MD5}, {hasLocation, &p.Location}, {hasDisposition, &p.Disposition}} {
		if flags&s.flag != 0 {
			*s.text = d.string()
		}
	}
	if flags&hasDisposition != 0 {
		p.DispositionParams = d.params()
	}
	if flags&hasLanguage != 0 {
		p.Language = make([]string, d.count())
		for i := range p.Language {
			p.Language[i] = d.string()
		}
	}
	if flags&hasEnvelope != 0 {
		e, err := parseEnvelope([]byte(d.string()), WithAll)
		if err != nil {
			d.fail()
		}
		p.Envelope = &e
	}
}
