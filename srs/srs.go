package srs

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Why an address is not taken back.
var (
	ErrNone     = errors.New("not an SRS address")
	ErrUnsigned = errors.New("an SRS address that this server did not make")
	ErrExpired  = errors.New("an SRS address that is too old")
)

// Key is the secret of the HMAC, 16 octets or more. The zero value makes and takes
// no addresses.
type Key []byte

// Owner is the account that gets what comes back; 0: the domain's admin.
type Owner int64

// Return is what one of our addresses was made from.
type Return struct {
	Original mail.Address // the zero value where it was too long to be carried
	Owner    Owner
}

const (
	lifetime = 21   // days; senders give up after five, and reports may be slow
	days     = 1024 // the count of days starts anew here: two digits of base32
	maxLocal = 64   // RFC 5321 section 4.5.3.1.1
	macText  = 8    // characters of the hash: 40 bits
	maxOwner = 12   // characters of an owner in base 32
)

// alphabet is base32 in lower case (RFC 4648 section 6): local parts lose their
// case on the way, so that no letter may depend on it.
const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

// Rewrite is the reverse-path at domain for a message from that address. The null
// reverse-path stays what it is, and so does everything without a key.
func (k Key) Rewrite(from mail.Address, owner Owner, domain mail.Domain, now time.Time) mail.Address {
	if from.IsZero() || len(k) == 0 || domain.IsZero() {
		return from
	}
	tag := strconv.FormatInt(int64(owner), 32)
	for _, rest := range spellings(from, day(now)) {
		kind, rest, _ := strings.Cut(rest, "=")
		tail := day(now) + tag + "=" + rest
		if kind == "SRS0" {
			tail = tag + "=" + rest // the day stands in its own field
		}
		local := kind + "=" + k.mac(kind, tail, domain) + tail
		if len(local) <= maxLocal {
			return mail.Address{Local: local, Domain: domain}
		}
	}
	panic("srs: the shortest spelling is too long")
}

// spellings are the ways to carry an address, the best first, without the hash.
func spellings(from mail.Address, day string) []string {
	var all []string
	domain := from.Domain.String()
	if from.Literal.IsValid() {
		domain = "" // brackets and colons cannot stand in a dot-string
	}
	switch kind, rest := cutKind(from.Local); {
	case domain == "" || !plain(from.Local):
	case kind == "SRS0":
		all = append(all, "SRS1="+domain+"=="+rest)
	case kind == "SRS1":
		if _, first, ok := strings.Cut(rest, "="); ok {
			all = append(all, "SRS1="+first) // their hash goes, ours comes
		}
	default:
		all = append(all, "SRS0="+day+"="+domain+"="+from.Local)
	}
	return append(all, "SRS0="+day+"="+domain+"=", "SRS0="+day+"==")
}

// plain reports whether a local part can stand unquoted within another one.
func plain(local string) bool {
	a, err := mail.ParseAddress(local + "@x.example")
	return err == nil && a.Local == local && !a.NeedsSMTPUTF8()
}

// cutKind takes "SRS0=" or "SRS1=" off; separators "-" and "+" are other people's.
func cutKind(local string) (kind, rest string) {
	if len(local) < 5 || !strings.EqualFold(local[:3], "SRS") || !strings.ContainsRune("=-+", rune(local[4])) {
		return "", ""
	}
	switch local[3] {
	case '0', '1':
		return "SRS" + local[3:4], local[5:]
	}
	return "", ""
}

// Is reports whether an address has the shape of SRS, whoever made it.
func Is(a mail.Address) bool {
	kind, _ := cutKind(a.Local)
	return kind != ""
}

// Reverse takes one of our addresses apart. The error is ErrNone for an address of
// another shape, ErrUnsigned or ErrExpired.
func (k Key) Reverse(a mail.Address, now time.Time) (Return, error) {
	kind, rest := cutKind(a.Local)
	if kind == "" {
		return Return{}, fmt.Errorf("%w: %s", ErrNone, a)
	}
	head, rest, ok := strings.Cut(rest, "=")
	if !ok || len(k) == 0 || len(head) < macText+1 || a.Local[4] != '=' {
		return Return{}, fmt.Errorf("%w: %s", ErrUnsigned, a)
	}
	tail := head[macText:] + "=" + rest
	want := k.mac(kind, tail, a.Domain)
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(head[:macText])), []byte(want)) != 1 {
		return Return{}, fmt.Errorf("%w: %s", ErrUnsigned, a)
	}
	made, r, err := read(kind, head[macText:], rest)
	switch {
	case err != nil:
		return Return{}, fmt.Errorf("%w: %s (%s)", ErrUnsigned, a, err)
	case !alive(made, now):
		return Return{}, fmt.Errorf("%w: %s", ErrExpired, a)
	}
	return r, nil
}

// read takes the signed part apart: the day it was made, and what is in it.
func read(kind, tag, rest string) (made string, r Return, err error) {
	if kind == "SRS0" {
		made, rest, _ = strings.Cut(rest, "=")
	} else {
		made, tag = tag[:min(2, len(tag))], tag[min(2, len(tag)):]
	}
	owner, err := strconv.ParseInt(strings.ToLower(tag), 32, 64)
	if err != nil || len(tag) > maxOwner+1 {
		return "", Return{}, errors.New("its owner cannot be read")
	}
	r.Owner = Owner(owner)
	r.Original = original(kind, rest)
	return made, r, nil
}

// original puts the address together again as far as it was carried.
func original(kind, rest string) mail.Address {
	domain, local, ok := strings.Cut(rest, "=")
	if kind == "SRS1" {
		// domain==rest: what stands behind the first "=" is the other's own text.
		local = "SRS0" + local
	}
	if !ok || domain == "" || local == "" {
		return mail.Address{}
	}
	a, err := mail.ParseAddress(local + "@" + domain)
	if err != nil {
		return mail.Address{}
	}
	return a
}

// mac is the hash of everything behind it, without case, and of our domain.
func (k Key) mac(kind, tail string, domain mail.Domain) string {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(kind + "=" + strings.ToLower(tail) + "@" + domain.String()))
	return base32.NewEncoding(alphabet).EncodeToString(h.Sum(nil)[:macText*5/8])
}

// day is the count of days as two characters.
func day(now time.Time) string {
	n := int(now.Unix()/86400) & (days - 1)
	return string([]byte{alphabet[n>>5], alphabet[n&31]})
}

// alive reports whether that day is not too long ago. A clock that is a day behind
// does no harm.
func alive(made string, now time.Time) bool {
	if len(made) != 2 {
		return false
	}
	made = strings.ToLower(made)
	hi, lo := strings.IndexByte(alphabet, made[0]), strings.IndexByte(alphabet, made[1])
	if hi < 0 || lo < 0 {
		return false
	}
	age := (int(now.Unix()/86400) - (hi<<5 | lo) + 1) & (days - 1)
	return age <= lifetime+1
}
