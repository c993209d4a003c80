package spf

import (
	"context"
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// Fetched is what stands at a name as far as SPF is concerned.
type Fetched struct {
	Name       world.Name
	Records    []world.TXT // SPF records, as they came; exactly one is right
	LookAlikes []LookAlike // texts that were probably meant to be one
	Others     int         // TXT records that have nothing to do with SPF
	Record     *Record     // the one record, read; nil when there is none or several
	Problems   []Problem   // of Record
	Answer     *world.Answer
	Err        error // of the lookup: world.ErrNotFound is the same as no records
}

// LookAlike is a TXT record that is no SPF record, though somebody may think so.
type LookAlike struct {
	Code string // "space", "version", "sender-id", "typo"
	Text string
}

// Fetch asks for the TXT records at a name and sorts them (RFC 7208 section 4.5).
func Fetch(ctx context.Context, r world.Resolver, name world.Name) Fetched {
	f := Fetched{Name: name}
	texts, answer, err := world.LookupTXT(ctx, r, name)
	f.Answer, f.Err = answer, err
	for _, t := range texts {
		if IsRecord(t.Text) {
			f.Records = append(f.Records, t)
		} else if code := lookAlike(t.Text); code != "" {
			f.LookAlikes = append(f.LookAlikes, LookAlike{code, t.Text})
		} else {
			f.Others++
		}
	}
	if len(f.Records) == 1 {
		f.Record, f.Problems = Parse(f.Records[0].Text)
	}
	return f
}

// lookAlike names what keeps a text from being an SPF record that seems to want
// to be one, "" when it does not.
func lookAlike(text string) string {
	const enough = 32
	head := strings.ToLower(text[:min(len(text), enough)])
	trimmed := strings.TrimLeft(head, " \t\r\n\"'\u00a0\ufeff")
	switch {
	case strings.HasPrefix(trimmed, "spf2.0"):
		return "sender-id" // RFC 4406, historic
	case strings.HasPrefix(head, "v=spf1"):
		return "version" // v=spf10, v=spf1;, v=spf1include:
	case strings.HasPrefix(trimmed, "v=spf1"):
		return "space"
	case strings.HasPrefix(trimmed, "v=spf"), strings.HasPrefix(trimmed, "v=sfp1"),
		strings.HasPrefix(trimmed, "spf1 "), strings.HasPrefix(trimmed, "v:spf1"),
		strings.HasPrefix(strings.ReplaceAll(trimmed, " ", ""), "v=spf1"):
		return "typo"
	}
	return ""
}
