package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Signer makes DKIM-Signature fields. Domain, Selector and Key are needed; the
// rest may be zero.
type Signer struct {
	Domain   mail.Domain
	Selector string
	Key      crypto.Signer    // *rsa.PrivateKey or ed25519.PrivateKey, or something that guards one
	AUID     string           // i=; "" leaves it out
	Headers  []string         // the fields to sign if they are there; nil: DefaultHeaders
	Oversign []string         // the fields nobody may add; nil: DefaultOversign
	Header   Canonicalization // zero: relaxed
	Body     Canonicalization // zero: relaxed
	Expires  time.Duration    // x= this long after the time of signing; zero: no x=
}

// DefaultHeaders are the fields whose change would change what the message says
// or does (RFC 6376 section 5.4.1), with those of one-click unsubscription, which
// must be signed (RFC 8058 section 4), and Feedback-ID, which receivers believe
// only when it is signed.
func DefaultHeaders() []string {
	return []string{
		"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
		"In-Reply-To", "References", "MIME-Version", "Content-Type",
		"Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Resent-Date",
		"Resent-From", "Resent-To", "Resent-Cc", "Resent-Message-ID", "List-Id",
		"List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe",
		"List-Post", "List-Owner", "List-Archive", "Auto-Submitted", "Feedback-ID",
	}
}

// DefaultOversign are the fields named once more than they are there, so that
// nobody adds another (RFC 6376 section 8.15). The fields that honest mailing
// lists add (Sender, List-*) are not among them.
func DefaultOversign() []string {
	return []string{
		"From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	}
}

// ErrSign is wrapped by every error of signing.
var ErrSign = errors.New("cannot sign")

// Sign signs one message and returns the field to put on top of it, folded and
// ended by CRLF.
func (s *Signer) Sign(header message.Header, body io.Reader, now time.Time) (string, error) {
	fields, err := Sign(header, body, now, s)
	if err != nil {
		return "", err
	}
	return fields[0], nil
}

// Sign signs one message by several signers in one pass over the body: a field
// each, in their order.
func Sign(header message.Header, body io.Reader, now time.Time, signers ...*Signer) ([]string, error) {
	w, err := NewSigning(header, signers...)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, body); err != nil {
		return nil, fmt.Errorf("%w: read the body: %w", ErrSign, err)
	}
	return w.Fields(now)
}

// Signing signs a message whose body is written to it.
type Signing struct {
	header  message.Header
	signers []*Signer
	hashes  []*bodyHash
	bodies  bodies
}

// NewSigning checks that the message and the signers are fit to be used: exactly
// one From, keys that receivers accept. Write the body next.
func NewSigning(header message.Header, signers ...*Signer) (*Signing, error) {
	if n := header.Count("From"); n != 1 {
		// RFC 5322 section 3.6; a signed message with two would let each reader
		// pick its author.
		return nil, fmt.Errorf("%w: the message has %d From fields", ErrSign, n)
	}
	w := &Signing{header: header, signers: signers}
	for _, s := range signers {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSign, err)
		}
		w.hashes = append(w.hashes, w.bodies.want(s.Body, noLimit))
	}
	return w, nil
}

// Write takes the next octets of the body; it never fails.
func (w *Signing) Write(p []byte) (int, error) { return w.bodies.Write(p) }

// SetHeader replaces the header to be signed, where it is known only after the body
// what it must say. It still has exactly one From.
func (w *Signing) SetHeader(header message.Header) { w.header = header }

// Fields makes the fields. Call it once, after the body.
func (w *Signing) Fields(now time.Time) ([]string, error) {
	w.bodies.close()
	fields := make([]string, len(w.signers))
	for i, s := range w.signers {
		field, err := s.field(w.header, w.hashes[i].sum, now)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSign, err)
		}
		fields[i] = field
	}
	return fields, nil
}

func (s *Signer) check() error {
	if s.Domain.IsZero() || s.Key == nil {
		return errors.New("a signer needs a domain and a key")
	}
	if _, ok := parseSelector(s.Selector); !ok {
		return fmt.Errorf("%.80q is not a selector", s.Selector)
	}
	if s.Headers != nil && !slices.ContainsFunc(s.Headers, isFrom) {
		return errors.New("the From field must be signed") // RFC 6376 section 5.4
	}
	if s.AUID != "" {
		_, host, ok := strings.Cut(s.AUID, "@")
		domain, err := mail.ParseDomain(host)
		if !ok || err != nil || !domain.IsWithin(s.Domain) || strings.ContainsAny(s.AUID, " \t\r\n;=") {
			return fmt.Errorf("%.80q is no identifier within %s", s.AUID, s.Domain)
		}
	}
	_, err := s.algorithm()
	return err
}

func isFrom(name string) bool { return strings.EqualFold(name, "From") }

// algorithm is the a= for the key.
func (s *Signer) algorithm() (Algorithm, error) {
	switch public := s.Key.Public().(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < MinRSABits {
			return "", fmt.Errorf("the RSA key has %d bits, less than %d", n, MinRSABits)
		}
		return RSASHA256, nil
	case ed25519.PublicKey:
		return Ed25519SHA256, nil
	default:
		return "", fmt.Errorf("DKIM has no algorithm for a key of type %T", public)
	}
}

// field makes the field with an empty b=, signs it, and puts the signature in.
func (s *Signer) field(header message.Header, bodyHash []byte, now time.Time) (string, error) {
	algorithm, err := s.algorithm()
	if err != nil {
		return "", err
	}
	names := s.names(header)
	f := s.unsigned(algorithm, names, bodyHash, now)
	buf := make([]byte, 0, 4096)
	SelectFields(header, names, func(f message.Field) { buf = s.Header.AppendField(buf, f) })
	digest := sha256.Sum256(s.Header.AppendUnsigned(buf, message.ParseField(f.String())))
	value, err := signDigest(s.Key, algorithm, digest)
	if err != nil {
		return "", err
	}
	f.breakable(base64.StdEncoding.EncodeToString(value))
	f.WriteString("\r\n")
	return f.String(), nil
}

// signDigest is RSA PKCS #1 v1.5 (RFC 6376 section 3.3.2) or pure Ed25519 over the
// digest (RFC 8463 section 3).
func signDigest(key crypto.Signer, a Algorithm, digest [sha256.Size]byte) ([]byte, error) {
	if a == Ed25519SHA256 {
		return key.Sign(rand.Reader, digest[:], crypto.Hash(0))
	}
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// names is the h= for this header: every instance of a field to sign, and one
// more of those to oversign.
func (s *Signer) names(header message.Header) []string {
	sign, over := s.Headers, s.Oversign
	if sign == nil {
		sign = DefaultHeaders()
	}
	if over == nil {
		over = DefaultOversign()
	}
	var names []string
	for _, name := range sign {
		for range header.Count(name) {
			names = append(names, name)
		}
	}
	return append(names, over...)
}

// unsigned is the field up to "b=", folded.
func (s *Signer) unsigned(a Algorithm, names []string, bodyHash []byte, now time.Time) *folder {
	f := &folder{}
	f.WriteString("DKIM-Signature: v=1;")
	f.column = f.Len()
	f.tag("a", string(a))
	f.tag("c", s.Header.String()+"/"+s.Body.String())
	f.tag("d", s.Domain.String())
	f.tag("s", s.Selector)
	if s.AUID != "" {
		f.tag("i", s.AUID)
	}
	f.tag("t", strconv.FormatInt(now.Unix(), 10))
	if s.Expires > 0 {
		f.tag("x", strconv.FormatInt(now.Add(s.Expires).Unix(), 10))
	}
	f.tag("bh", base64.StdEncoding.EncodeToString(bodyHash))
	f.list("h", names)
	f.word("b=")
	return f
}

// folder writes tags in lines of at most foldAt columns where it can.
type folder struct {
	strings.Builder
	column int
}

const foldAt = 76

// word writes a space and the word, or begins a line with it.
func (f *folder) word(w string) {
	if f.column+1+len(w) > foldAt {
		f.newLine()
	} else {
		f.WriteByte(' ')
		f.column++
	}
	f.WriteString(w)
	f.column += len(w)
}

func (f *folder) newLine() {
	f.WriteString("\r\n\t")
	f.column = 8
}

func (f *folder) tag(name, value string) { f.word(name + "=" + value + ";") }

// list writes names with colons; lines break behind a colon.
func (f *folder) list(name string, values []string) {
	for i, v := range values {
		if i == 0 {
			v = name + "=" + v
		}
		end := ":"
		if i == len(values)-1 {
			end = ";"
		}
		switch {
		case i == 0:
			f.word(v + end)
			continue
		case f.column+len(v)+1 > foldAt:
			f.newLine()
		}
		f.WriteString(v + end)
		f.column += len(v) + 1
	}
}

// breakable writes base64, which may be folded anywhere.
func (f *folder) breakable(s string) {
	for s != "" {
		if f.column >= foldAt {
			f.newLine()
		}
		n := min(len(s), foldAt-f.column)
		f.WriteString(s[:n])
		f.column += n
		s = s[n:]
	}
}
