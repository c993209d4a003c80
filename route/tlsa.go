package route

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// maxTLSA bounds how many records of one host are looked at.
const maxTLSA = 64

// Usages a mail server may publish (RFC 7672 section 3.1). Usages 0 and 1, which
// ask for a public CA as well, are unusable for SMTP.
const (
	DANETA = 2 // the record names a certificate authority of the server's own
	DANEEE = 3 // the record names the server's certificate or key
)

// Selectors and matching types (RFC 6698 section 2.1).
const (
	WholeCertificate = 0
	PublicKey        = 1

	ExactData = 0
	SHA256    = 1
	SHA512    = 2
)

// TLSA is one TLSA record (RFC 6698).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// ErrTLSA is wrapped by every error of ParseTLSA.
var ErrTLSA = errors.New("not a TLSA record")

// ParseTLSA reads the presentation format: "3 1 1 0a1b...", the data in one or
// more pieces.
func ParseTLSA(s string) (TLSA, error) {
	fields := strings.Fields(s)
	if len(fields) < 4 {
		return TLSA{}, fmt.Errorf("%w: %.40q has fewer than four fields", ErrTLSA, s)
	}
	var n [3]uint8
	for i := range n {
		v, err := strconv.ParseUint(fields[i], 10, 8)
		if err != nil {
			return TLSA{}, fmt.Errorf("%w: %.40q is no number up to 255", ErrTLSA, fields[i])
		}
		n[i] = uint8(v)
	}
	data, err := hex.DecodeString(strings.Join(fields[3:], ""))
	if err != nil {
		return TLSA{}, fmt.Errorf("%w: the data is not hexadecimal", ErrTLSA)
	}
	return TLSA{n[0], n[1], n[2], data}, nil
}

// String is the presentation format, for a zone file.
func (t TLSA) String() string {
	return fmt.Sprintf("%d %d %d %x", t.Usage, t.Selector, t.Matching, t.Data)
}

// NewTLSA is the record that a certificate asks for. It fails on selectors and
// matching types that RFC 6698 does not have.
func NewTLSA(usage, selector, matching uint8, cert *x509.Certificate) (TLSA, error) {
	t := TLSA{Usage: usage, Selector: selector, Matching: matching}
	data, ok := t.digest(cert)
	if !ok {
		return TLSA{}, fmt.Errorf("%w: selector %d, matching type %d", ErrTLSA, selector, matching)
	}
	t.Data = bytes.Clone(data)
	return t, nil
}

// digest is what the record's data would be for this certificate.
func (t TLSA) digest(cert *x509.Certificate) (data []byte, ok bool) {
	switch t.Selector {
	case WholeCertificate:
		data = cert.Raw
	case PublicKey:
		data = cert.RawSubjectPublicKeyInfo
	default:
		return nil, false
	}
	switch t.Matching {
	case ExactData:
		return data, true
	case SHA256:
		sum := sha256.Sum256(data)
		return sum[:], true
	case SHA512:
		sum := sha512.Sum512(data)
		return sum[:], true
	}
	return nil, false
}

// Names reports whether the record's selector and data fit the certificate,
// whatever its usage.
func (t TLSA) Names(cert *x509.Certificate) bool {
	data, ok := t.digest(cert)
	return ok && bytes.Equal(data, t.Data)
}

// Unusable says why SMTP clients must ignore the record, "" when they may not
// (RFC 7671 section 4, RFC 7672 section 3.1).
func (t TLSA) Unusable() string {
	switch {
	case t.Usage < DANETA:
		return fmt.Sprintf("usage %d is not for SMTP; use 3 1 1 or 2 1 1", t.Usage)
	case t.Usage > DANEEE:
		return fmt.Sprintf("usage %d is unknown", t.Usage)
	case t.Selector > PublicKey:
		return fmt.Sprintf("selector %d is unknown", t.Selector)
	case t.Matching > SHA512:
		return fmt.Sprintf("matching type %d is unknown", t.Matching)
	}
	return t.badData()
}

func (t TLSA) badData() string {
	var err error
	switch {
	case t.Matching == SHA256 && len(t.Data) != sha256.Size, t.Matching == SHA512 && len(t.Data) != sha512.Size:
		return fmt.Sprintf("the digest has %d octets, which does not fit matching type %d", len(t.Data), t.Matching)
	case t.Matching == ExactData && t.Selector == WholeCertificate:
		_, err = x509.ParseCertificate(t.Data)
	case t.Matching == ExactData:
		_, err = x509.ParsePKIXPublicKey(t.Data)
	}
	if err != nil {
		return "the data is no certificate or key: " + err.Error()
	}
	return ""
}

// TLSASet is the TLSA records of one host. The zero value knows nothing.
type TLSASet struct {
	Name     world.Name // where they were asked for
	Records  []TLSA     // sorted; also the unusable ones
	Dropped  int        // records beyond the limit
	Security world.Security
	Err      error // world.ErrNotFound when there is none; temporary; bogus
}

// Binding reports whether the records bind a sender: they are there and signed.
// Unsigned records count as absent (RFC 7672 section 2.2).
func (s *TLSASet) Binding() bool { return len(s.Records) > 0 && s.Security == world.Secure }

// Usable is the records that a client may use.
func (s *TLSASet) Usable() []TLSA {
	return slices.DeleteFunc(slices.Clone(s.Records), func(t TLSA) bool { return t.Unusable() != "" })
}

// LookupTLSA asks for the records of a mail host, at _25._tcp.host.
func LookupTLSA(ctx context.Context, r world.Resolver, host world.Name) TLSASet {
	s := TLSASet{Name: host.Under("_25._tcp")}
	answer, err := r.Lookup(ctx, s.Name, dns.TypeTLSA)
	s.Security, s.Err = securityOf(answer, err), err
	if err != nil {
		return s
	}
	for _, rr := range answer.Records {
		if t, ok := tlsaOf(rr); ok {
			s.Records = append(s.Records, t)
		}
	}
	slices.SortFunc(s.Records, compareTLSA)
	if n := len(s.Records) - maxTLSA; n > 0 {
		s.Records, s.Dropped = s.Records[:maxTLSA], n
	}
	return s
}

func tlsaOf(rr dns.RR) (TLSA, bool) {
	t, ok := rr.(*dns.TLSA)
	if !ok {
		return TLSA{}, false
	}
	data, err := hex.DecodeString(t.Certificate)
	return TLSA{t.Usage, t.Selector, t.MatchingType, data}, err == nil
}

func compareTLSA(a, b TLSA) int {
	return cmp.Or(cmp.Compare(a.Usage, b.Usage), cmp.Compare(a.Selector, b.Selector),
		cmp.Compare(a.Matching, b.Matching), bytes.Compare(a.Data, b.Data))
}
