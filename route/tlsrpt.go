package route

import (
	"context"
	"net/url"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// tlsrptVersion opens every TLS reporting record.
const tlsrptVersion = "v=TLSRPTv1"

// TLSRPTRecord is the TXT record at _smtp._tls: where reports about TLS go (RFC
// 8460 section 3).
type TLSRPTRecord struct {
	Mail       []mail.Address // of mailto: URIs
	HTTPS      []*url.URL
	Extensions []string // the names of unknown fields, ignored
}

// TLSRPT is what a domain says about TLS reports. The zero value says nothing.
type TLSRPT struct {
	Domain   mail.Domain
	Records  []string
	Record   TLSRPTRecord
	Err      error // world.ErrNotFound when there is none; temporary; bogus
	Problems []Problem
}

// LookupTLSRPT asks for the record.
func LookupTLSRPT(ctx context.Context, r world.Resolver, d mail.Domain) TLSRPT {
	t := TLSRPT{Domain: d}
	t.Records, t.Err = lookupVersion(ctx, r, world.NameOf(d).Under("_smtp._tls"), tlsrptVersion)
	if t.Err == nil {
		t.Record, t.Problems = ParseTLSRPT(t.Records[0])
		t.Problems = append(t.Problems, several(t.Records)...)
	}
	return t
}

// ParseTLSRPT reads one TXT record and says everything that is wrong with it.
// Codes: "version", "no-rua", "uri", "scheme", "duplicate", "syntax", "empty-field".
func ParseTLSRPT(text string) (TLSRPTRecord, []Problem) {
	var rec TLSRPTRecord
	var found problems
	if !strings.HasPrefix(text, tlsrptVersion+";") {
		found.fatal("version", "the record does not begin with %q", tlsrptVersion+";")
	}
	seen := false
	for i, t := range cutTags(text, &found) {
		switch {
		case i == 0 && t.name == "v":
		case t.name == "rua" && seen:
			found.warn("duplicate", "rua stands more than once")
			rec.takeURIs(t.value, &found)
		case t.name == "rua":
			seen = true
			rec.takeURIs(t.value, &found)
		case !t.isExtension():
			found.fatal("syntax", "%.40q is no valid field", t.name+"="+t.value)
		default:
			rec.Extensions = append(rec.Extensions, t.name)
		}
	}
	if len(rec.Mail)+len(rec.HTTPS) == 0 {
		found.fatal("no-rua", "the record names no place to send reports to")
	}
	return rec, found
}

func (rec *TLSRPTRecord) takeURIs(list string, found *problems) {
	for uri := range strings.SplitSeq(list, ",") {
		uri = strings.Trim(uri, " \t")
		u, err := url.Parse(uri)
		if err != nil || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || r == '!' }) {
			found.warn("uri", "%.80q is no URI", uri)
			continue
		}
		rec.takeURI(u, uri, found)
	}
}

func (rec *TLSRPTRecord) takeURI(u *url.URL, uri string, found *problems) {
	switch {
	case u.Scheme == "mailto":
		to, err := url.PathUnescape(u.Opaque)
		if err != nil {
			to = ""
		}
		a, err := mail.ParseAddress(to)
		if err != nil {
			found.warn("uri", "%.80q names no mail address", uri)
			return
		}
		rec.Mail = append(rec.Mail, a)
	case u.Scheme == "https" && u.Host != "":
		rec.HTTPS = append(rec.HTTPS, u)
	default:
		found.warn("scheme", "%.80q is neither mailto: nor https:", uri)
	}
}
