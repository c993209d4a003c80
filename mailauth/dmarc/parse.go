package dmarc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxParts bounds the tree of a hostile record and what is said about it; the
// registry knows 14 tags.
const maxParts = 64

// Parse reads a policy record with everything that is wrong with it. It returns no
// record when the text is not a DMARC record at all; everything else is read as
// far as it goes, because syntax errors are discarded in favour of the defaults
// (RFC 9989 section 4.8).
func Parse(text string) (*Record, []Problem) {
	if !LooksLikeRecord(text) {
		return nil, []Problem{{NotDMARC, Fatal, 0, "v", "the record does not begin with v=DMARC1"}}
	}
	p := parser{r: &Record{Text: text, Tags: make([]Tag, 0, 8), FO: []string{"0"}, Percent: 100}}
	p.checkCharacters()
	p.split()
	for i, t := range p.r.Tags {
		if p.checkTag(i, t) {
			p.take(t)
		}
	}
	p.checkWhole()
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.At - b.At })
	return p.r, p.problems
}

type parser struct {
	r        *Record
	problems []Problem
}

func (p *parser) complain(code Code, harm Harm, at int, tag, format string, args ...any) {
	p.problems = append(p.problems, Problem{code, harm, at, tag, fmt.Sprintf(format, args...)})
}

func (p *parser) checkCharacters() {
	for i, c := range []byte(p.r.Text) {
		if c != '\t' && (c < ' ' || c > '~') {
			p.complain(StrayCharacter, Ignored, i, "", "octet 0x%02x is not printable ASCII", c)
			return // one is enough: UTF-8 would fill a page
		}
	}
}

// split cuts the text into its tags and keeps their places.
func (p *parser) split() {
	at, n := 0, 0
	for part := range strings.SplitSeq(p.r.Text, ";") {
		if n == maxParts {
			p.complain(NotATag, Ignored, at, "", "everything behind the first %d tags is passed over", maxParts)
			return
		}
		p.addTag(part, at)
		at += len(part) + 1
		n++
	}
}

func (p *parser) addTag(part string, at int) {
	nameAt := at + len(part) - len(strings.TrimLeft(part, " \t"))
	rawName, rawValue, ok := strings.Cut(part, "=")
	name := trimWSP(rawName)
	last := at+len(part) == len(p.r.Text)
	switch {
	case trimWSP(part) == "" && last: // the final separator is allowed
	case trimWSP(part) == "":
		p.complain(EmptyTag, Note, at, "", "there is nothing between two semicolons")
	case !ok || !isTagName(name):
		p.complain(NotATag, Ignored, nameAt, "", "%.40q is not name=value", trimWSP(part))
	default:
		value := trimWSP(rawValue)
		t := Tag{Name: strings.ToLower(name), Value: value, NameAt: nameAt,
			ValueAt: at + len(rawName) + 1 + len(rawValue) - len(strings.TrimLeft(rawValue, " \t"))}
		t.Registry = registry[t.Name]
		if t.Name != name {
			p.complain(TagCase, Note, nameAt, t.Name, "%s is written %s: some readers only know lower case", t.Name, name)
		}
		p.r.Tags = append(p.r.Tags, t)
	}
}

// isTagName is 1*ALPHA (RFC 9989 section 4.8), widened to the names of RFC 6376
// section 3.2 so that an unknown tag is told apart from rubbish.
func isTagName(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// checkTag judges a tag by its name; only those for which it says true have a
// meaning.
func (p *parser) checkTag(i int, t Tag) bool {
	earlier := func(o Tag) bool { return o.Name == t.Name }
	switch {
	case slices.ContainsFunc(p.r.Tags[:i], earlier):
		p.r.repeated = true
		p.complain(RepeatedTag, Fatal, t.NameAt, t.Name, "%s stands there twice: receivers differ on which counts, and by RFC 6376 the record is invalid", t.Name)
		return false
	case t.Registry == Unregistered:
		p.complain(UnknownTag, Note, t.NameAt, t.Name, "%.40s is no DMARC tag and is ignored", t.Name)
		return false
	case t.Registry == Historic:
		p.complain(ObsoleteTag, Note, t.NameAt, t.Name, "%s is no longer part of DMARC; only older receivers obey it", t.Name)
	}
	return true
}

// take gives one registered tag its meaning.
func (p *parser) take(t Tag) {
	switch value := strings.ToLower(t.Value); t.Name {
	case "p":
		p.r.P = p.policy(t, value)
	case "sp":
		p.r.SP = p.policy(t, value)
	case "np":
		p.r.NP = p.policy(t, value)
	case "adkim":
		p.r.ADKIM = p.alignment(t, value)
	case "aspf":
		p.r.ASPF = p.alignment(t, value)
	case "psd":
		p.r.PSD = p.psd(t, value)
	case "t":
		p.r.Testing = value == "y"
		p.expect(t, value == "y" || value == "n")
	case "fo":
		p.takeFO(t, value)
	case "rua":
		p.r.RUA = p.uris(t)
	case "ruf":
		p.r.RUF = p.uris(t)
	case "pct":
		p.takePercent(t)
	}
}

// expect complains when the value is outside its syntax.
func (p *parser) expect(t Tag, ok bool) {
	switch {
	case ok:
	case t.Value == "":
		p.complain(EmptyValue, Ignored, t.ValueAt, t.Name, "%s has no value: the default holds", t.Name)
	default:
		p.complain(InvalidValue, Ignored, t.ValueAt, t.Name, "%.40q is no value of %s: the default holds", t.Value, t.Name)
	}
}

func (p *parser) policy(t Tag, value string) Policy {
	switch policy := Policy(value); policy {
	case None, Quarantine, Reject:
		return policy
	}
	p.r.badPolicy = true
	p.complain(InvalidPolicy, Fatal, t.ValueAt, t.Name, "%s=%.40s is no policy: the record counts as p=none, and without a valid rua not at all", t.Name, t.Value)
	return ""
}

func (p *parser) alignment(t Tag, value string) Alignment {
	p.expect(t, value == "r" || value == "s")
	if value == "s" {
		return Strict
	}
	return Relaxed
}

func (p *parser) psd(t Tag, value string) PSD {
	p.expect(t, value == "y" || value == "n" || value == "u")
	if value == "y" || value == "n" {
		return PSD(value[0])
	}
	return PSDUnknown
}

// takeFO reads dmarc-fo: 0 or 1, not both, and d and s once each.
func (p *parser) takeFO(t Tag, value string) {
	options := strings.Split(value, ":")
	seen := map[string]bool{}
	for _, o := range options {
		if len(o) != 1 || !strings.Contains("01ds", o) || seen[o] || seen["0"] && o == "1" || seen["1"] && o == "0" {
			p.expect(t, false)
			return
		}
		seen[o] = true
	}
	p.r.FO = options
}

func (p *parser) takePercent(t Tag) {
	n, err := strconv.ParseUint(t.Value, 10, 8)
	ok := err == nil && n <= 100
	p.expect(t, ok)
	if ok {
		p.r.Percent = int(n)
	}
}

func (p *parser) uris(t Tag) []URI {
	uris, problems := parseURIs(t.Value, t.ValueAt, t.Name)
	p.problems = append(p.problems, problems...)
	return uris
}

// checkWhole finds what no single tag shows.
func (p *parser) checkWhole() {
	policy, hasP := p.r.Tag("p")
	switch {
	case !hasP:
		p.complain(MissingPolicy, Fatal, 0, "p", "there is no p: the record counts as p=none, and without a valid rua not at all")
	case len(p.r.Tags) > 1 && p.r.Tags[1].Name != "p":
		p.complain(PolicyNotNext, Note, policy.NameAt, "p", "p does not follow v: receivers of RFC 7489 may pass the record over")
	}
	if fo, ok := p.r.Tag("fo"); ok && len(p.r.RUF) == 0 {
		p.complain(FOWithoutRUF, Note, fo.NameAt, "fo", "fo has no effect without ruf")
	}
}
