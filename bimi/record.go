package bimi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// DefaultSelector is used when a message names none.
const DefaultSelector = "default"

const version = "v=BIMI1"

// Record is the assertion record of a domain (section 4.2 of the draft).
type Record struct {
	Logo       *url.URL // l=; nil when there is none
	Evidence   *url.URL // a=; nil when there is none
	Declined   bool     // l= and a= are there and empty: the domain wants no logo
	Preference string   // avp=: "brand" or "personal", "" when not said
	LocalParts []string // lps=: local parts that have a selector of their own
	Extensions []string // the names of unknown tags, ignored
}

// Found is what a lookup came to. The zero value has no record.
type Found struct {
	Name     world.Name // where the record was found, or last asked for
	Records  []string   // the TXT records there that are, or nearly are, BIMI
	Record   Record
	Err      error // world.ErrNotFound when there is none; temporary; bogus
	Problems []Problem
}

// LookupRecord asks for the record of a domain, and where there is none for that
// of its organizational domain (section 7.2 of the draft).
func LookupRecord(ctx context.Context, r world.Resolver, d, organizational mail.Domain, selector string) Found {
	f := lookupAt(ctx, r, d, selector)
	if errors.Is(f.Err, world.ErrNotFound) && organizational != d && !organizational.IsZero() {
		return lookupAt(ctx, r, organizational, selector)
	}
	return f
}

// maxTexts bounds how many TXT records of one name are looked at.
const maxTexts = 100

func lookupAt(ctx context.Context, r world.Resolver, d mail.Domain, selector string) Found {
	name, err := world.ParseName(selector + "._bimi." + d.String())
	if err != nil || !isSelector(selector) {
		return Found{Err: fmt.Errorf("%w: the selector %.70q makes no name", world.ErrNotFound, selector)}
	}
	f := Found{Name: name}
	texts, answer, err := world.LookupTXT(ctx, r, name)
	if err != nil {
		f.Err = err
		return f
	}
	f.pick(texts[:min(len(texts), maxTexts)])
	if len(f.Records) == 0 {
		f.Err = &world.LookupError{Name: name, Type: answer.Type, Kind: world.ErrNoData, Detail: "no record begins with " + version}
		return f
	}
	f.Record, f.Problems = ParseRecord(f.Records[0])
	if len(f.Records) > 1 {
		f.Problems = append(f.Problems, Problem{"several", fmt.Sprintf("there are %d records; receivers then use none", len(f.Records)), true})
	}
	return f
}

// pick takes the records that begin as they must or, when none does, nearly do.
func (f *Found) pick(texts []world.TXT) {
	var near []string
	for _, t := range texts {
		switch {
		case strings.HasPrefix(t.Text, version):
			f.Records = append(f.Records, t.Text)
		case strings.HasPrefix(strings.ToUpper(strings.ReplaceAll(t.Text, " ", "")), strings.ToUpper(version)):
			near = append(near, t.Text)
		}
	}
	if len(f.Records) == 0 {
		f.Records = near
	}
}

// ParseRecord reads one TXT record and says everything that is wrong with it.
// Codes: "version", "syntax", "duplicate", "no-logo", "no-evidence", "uri",
// "scheme", "extension", "preference", "selector".
func ParseRecord(text string) (Record, []Problem) {
	var rec Record
	var found problems
	seen := make(map[string]string)
	for i, field := range strings.Split(text, ";") {
		field = strings.Trim(field, " \t")
		name, value, ok := strings.Cut(field, "=")
		name, value = strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")
		switch {
		case i == 0 && (name != "v" || value != "BIMI1"):
			found.fatal("version", "the record does not begin with %q", version+";")
		case i == 0 || field == "":
			continue
		case !ok:
			found.fatal("syntax", "%.60q is no tag=value", field)
			continue
		}
		if _, twice := seen[name]; twice {
			found.fatal("duplicate", "%.40q stands more than once", name)
			continue
		}
		seen[name] = value
		rec.take(name, value, &found)
	}
	rec.judgePresence(seen, &found)
	return rec, found
}

func (rec *Record) take(name, value string, found *problems) {
	switch name {
	case "v":
	case "l":
		rec.Logo = parseURI(name, value, []string{".svg", ".svgz"}, found)
	case "a":
		rec.Evidence = parseURI(name, value, []string{".pem"}, found)
	case "avp":
		rec.Preference = value
		if value != "brand" && value != "personal" {
			found.warn("preference", "avp=%.40q is neither brand nor personal", value)
		}
	case "lps":
		rec.takeLocalParts(value, found)
	default:
		rec.Extensions = append(rec.Extensions, name)
	}
}

func (rec *Record) takeLocalParts(list string, found *problems) {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if !isSelector(part) {
			found.warn("selector", "%.70q cannot be a selector", part)
			continue
		}
		rec.LocalParts = append(rec.LocalParts, part)
	}
}

// judgePresence tells a record that declines from one that forgets.
func (rec *Record) judgePresence(seen map[string]string, found *problems) {
	logo, hasLogo := seen["l"]
	evidence := seen["a"]
	switch {
	case !hasLogo:
		found.fatal("no-logo", "the record has no l= with the logo's place")
	case logo == "" && evidence == "":
		rec.Declined = true
	case logo == "":
		found.warn("no-logo", "l= is empty although a= is not")
	case evidence == "":
		found.warn("no-evidence", "the record has no a= with a mark certificate, which the large receivers ask for")
	}
}

// parseURI reads the place of a file, nil when it is empty or unusable.
func parseURI(tag, value string, endings []string, found *problems) *url.URL {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || strings.ContainsAny(value, " \t,"):
		found.fatal("uri", "%s=%.100q is no URI", tag, value)
		return nil
	case u.Scheme != "https" || u.Host == "":
		found.fatal("scheme", "%s=%.100q is no https URI", tag, value)
		return nil
	}
	if !slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(strings.ToLower(u.Path), e) }) {
		found.warn("extension", "%s=%.100q does not end in %s", tag, value, endings[0])
	}
	return u
}

// ParseSelector reads the value of a BIMI-Selector header field, "v=BIMI1;
// s=brand" (section 6 of the draft).
func ParseSelector(value string) (selector string, err error) {
	v, rest, _ := strings.Cut(value, ";")
	if strings.TrimSpace(v) != version {
		return "", fmt.Errorf("the BIMI-Selector %.60q does not begin with %q", value, version)
	}
	for field := range strings.SplitSeq(rest, ";") {
		name, s, _ := strings.Cut(strings.TrimSpace(field), "=")
		if name == "s" && isSelector(s) {
			return s, nil
		}
	}
	return "", fmt.Errorf("the BIMI-Selector %.60q names no selector", value)
}

// isSelector reports whether s can stand before "._bimi": labels of letters,
// digits, hyphens and underscores.
func isSelector(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return false
		}
	}
	return len(s) <= 200
}
