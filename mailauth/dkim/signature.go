package dkim

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Algorithm is the word in a=.
type Algorithm string

// The algorithms of RFC 6376 and RFC 8463. RSASHA1 is known so that it can be
// refused by name (RFC 8301 section 3.1).
const (
	RSASHA256     Algorithm = "rsa-sha256"
	Ed25519SHA256 Algorithm = "ed25519-sha256"
	RSASHA1       Algorithm = "rsa-sha1"
)

// keyType is the k= that the algorithm needs.
func (a Algorithm) keyType() string {
	k, _, _ := strings.Cut(string(a), "-")
	return k
}

// Signature is a DKIM-Signature field taken apart (RFC 6376 section 3.5).
type Signature struct {
	Tags      Tags
	Algorithm Algorithm
	Header    Canonicalization
	Body      Canonicalization
	Domain    mail.Domain // d=
	Selector  string      // s=, in lower case and A-labels
	AUID      string      // i=, decoded; "@d" when it is not there
	Signed    []string    // h=, as written
	BodyHash  []byte      // bh=
	Value     []byte      // b=
	Length    int64       // l=; -1 when the whole body is signed
	Time      time.Time   // t=; zero when it is not there
	Expires   time.Time   // x=; zero when it is not there
	Problems  []Problem

	auidDomain mail.Domain
}

// maxSigned bounds h=; a message has some twenty fields.
const maxSigned = 500

// Signs reports whether a field of this name is among those signed.
func (s *Signature) Signs(name string) bool {
	return slices.ContainsFunc(s.Signed, func(n string) bool { return strings.EqualFold(n, name) })
}

// Canonicalization is header and body as c= writes them: "relaxed/simple".
func (s *Signature) Canonicalization() string {
	return s.Header.String() + "/" + s.Body.String()
}

// ParseSignature reads the body of a DKIM-Signature field, folded or not. The
// Signature is never nil and holds what could be read; the error is the first
// problem that makes it unusable.
func ParseSignature(value string) (*Signature, error) {
	s := &Signature{Length: noLimit, Header: Simple, Body: Simple}
	s.Tags, s.Problems = ParseTags(value)
	s.readVersion()
	s.readSigner()
	s.readIdentity()
	s.readMessage()
	return s, s.usable()
}

// ParseARCMessageSignature reads the body of an ARC-Message-Signature field: a
// DKIM signature without a version, whose i= is the instance (RFC 8617 section
// 4.1.2).
func ParseARCMessageSignature(value string) (*Signature, error) {
	s := &Signature{Length: noLimit, Header: Simple, Body: Simple}
	s.Tags, s.Problems = ParseTags(value)
	s.readSigner()
	s.readMessage()
	if s.Signs("ARC-Seal") {
		s.bad("h", "names ARC-Seal") // RFC 8617 section 4.1.2 forbids it
	}
	return s, s.usable()
}

// ParseARCSeal reads the body of an ARC-Seal field: a signature over the ARC
// fields only, always in relaxed form (RFC 8617 section 4.1.3).
func ParseARCSeal(value string) (*Signature, error) {
	s := &Signature{Length: noLimit}
	s.Tags, s.Problems = ParseTags(value)
	s.readSigner()
	s.Value = s.readBase64("b")
	s.Time = s.readTime("t")
	if _, ok := s.Tags.Get("h"); ok {
		s.bad("h", "must not be there") // RFC 8617 section 4.1.3
	}
	return s, s.usable()
}

func (s *Signature) usable() error {
	if p, bad := fatal(s.Problems); bad {
		return fmt.Errorf("the signature cannot be used: %s", p)
	}
	return nil
}

// readMessage reads the tags about the message that is signed, and b=.
func (s *Signature) readMessage() {
	s.readCanonicalization()
	s.readSigned()
	s.BodyHash = s.readBase64("bh")
	s.Value = s.readBase64("b")
	s.readLength()
	s.readTimes()
	s.readQuery()
}

func (s *Signature) bad(tag, format string, args ...any) {
	s.Problems = append(s.Problems, Problem{tag, fmt.Sprintf(format, args...), true})
}

// need is the value of a required tag.
func (s *Signature) need(tag string) (string, bool) {
	v, ok := s.Tags.Get(tag)
	if !ok {
		s.bad(tag, "is missing")
	} else if v == "" {
		s.bad(tag, "is empty")
	}
	return v, v != ""
}

func (s *Signature) readVersion() {
	if v, ok := s.need("v"); ok && v != "1" {
		s.bad("v", "%.20q is not version 1", v)
	}
}

func (s *Signature) readAlgorithm() {
	a, ok := s.need("a")
	s.Algorithm = Algorithm(strings.ToLower(a))
	switch s.Algorithm {
	case RSASHA256, Ed25519SHA256, RSASHA1:
	default:
		if ok {
			s.bad("a", "%.40q is not known", a)
		}
	}
}

func (s *Signature) readCanonicalization() {
	c, ok := s.Tags.Get("c")
	if !ok {
		return
	}
	header, body, both := strings.Cut(strings.ToLower(c), "/")
	var known [2]bool
	s.Header, known[0] = parseCanonicalization(header)
	known[1] = true
	if both { // "relaxed" alone is "relaxed/simple"
		s.Body, known[1] = parseCanonicalization(body)
	}
	if !known[0] || !known[1] {
		s.bad("c", "%.40q is not known", c)
	}
}

// readSigner reads a=, d= and s=.
func (s *Signature) readSigner() {
	s.readAlgorithm()
	if d, ok := s.need("d"); ok {
		domain, err := mail.ParseDomain(d)
		if err != nil {
			s.bad("d", "%s", err)
		}
		s.Domain = domain
	}
	if selector, ok := s.need("s"); ok {
		if s.Selector, ok = parseSelector(selector); !ok {
			s.bad("s", "%.80q is not a selector", selector)
		}
	}
	s.auidDomain = s.Domain
}

// readIdentity reads i=.
func (s *Signature) readIdentity() {
	s.AUID = "@" + s.Domain.String()
	i, ok := s.Tags.Get("i")
	if !ok {
		return
	}
	s.AUID = decodeQP(i)
	at := strings.LastIndexByte(s.AUID, '@')
	domain, err := mail.ParseDomain(s.AUID[at+1:])
	if at < 0 || err != nil {
		s.bad("i", "%.80q is no identifier", i)
	}
	s.auidDomain = domain
}

// parseSelector takes labels of letters, digits, hyphens and the underscores that
// are in use; U-labels become A-labels (RFC 8616 section 4).
func parseSelector(s string) (string, bool) {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		d, err := mail.ParseDomain(s + ".invalid") // a selector may end in a number, a domain may not
		return strings.TrimSuffix(d.String(), ".invalid"), err == nil
	}
	s = strings.ToLower(s)
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return s, false
		}
	}
	return s, len(s) <= 200
}

func (s *Signature) readSigned() {
	h, ok := s.need("h")
	if !ok {
		return
	}
	s.Signed = colonList(h)
	if len(s.Signed) > maxSigned {
		s.bad("h", "names %d fields, more than %d", len(s.Signed), maxSigned)
		s.Signed = s.Signed[:maxSigned]
	}
	if slices.Contains(s.Signed, "") {
		s.bad("h", "has an empty name")
	}
}

func (s *Signature) readBase64(tag string) []byte {
	text, ok := s.need(tag)
	if !ok {
		return nil
	}
	octets, err := base64.StdEncoding.DecodeString(dropSpace(text))
	if err != nil {
		s.bad(tag, "is not base64")
	}
	return octets
}

func (s *Signature) readLength() {
	l, ok := s.Tags.Get("l")
	if !ok {
		return
	}
	n, ok := parseCount(l, 76) // RFC 6376 section 3.5: at most 76 digits
	if !ok {
		s.bad("l", "%.40q is not a length", l)
		return
	}
	s.Length = n
	s.Problems = append(s.Problems, Problem{"l", "lets others append to the body", false})
}

func (s *Signature) readTimes() {
	s.Time = s.readTime("t")
	s.Expires = s.readTime("x")
	if !s.Time.IsZero() && !s.Expires.IsZero() && !s.Expires.After(s.Time) {
		s.bad("x", "is not after t=")
	}
}

func (s *Signature) readTime(tag string) time.Time {
	v, ok := s.Tags.Get(tag)
	if !ok {
		return time.Time{}
	}
	n, ok := parseCount(v, 12) // RFC 6376 section 3.5: to the year 200,000
	if !ok {
		s.bad(tag, "%.40q is not a time", v)
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// parseCount reads digits; what does not fit is the largest number.
func parseCount(s string, digits int) (int64, bool) {
	if s == "" || len(s) > digits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

func (s *Signature) readQuery() {
	q, ok := s.Tags.Get("q")
	if ok && !slices.ContainsFunc(colonList(q), func(m string) bool { return strings.EqualFold(m, "dns/txt") }) {
		s.bad("q", "%.40q is not known", q)
	}
}

// decodeQP is dkim-quoted-printable (RFC 6376 section 2.11); what is broken stays.
func decodeQP(s string) string {
	if strings.IndexByte(s, '=') < 0 {
		return dropSpace(s)
	}
	s = dropSpace(s)
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
