package route

import "strings"

// stsVersion opens every MTA-STS record.
const stsVersion = "v=STSv1"

// STSRecord is the TXT record at _mta-sts (RFC 8461 section 3.1): it says that a
// policy exists, and changes its id when the policy changes.
type STSRecord struct {
	ID         string
	Extensions []string // the names of unknown fields, ignored
}

// ParseSTSRecord reads one TXT record and says everything that is wrong with it.
// Codes: "version", "no-id", "id", "duplicate", "syntax", "empty-field".
func ParseSTSRecord(text string) (STSRecord, []Problem) {
	var rec STSRecord
	var found problems
	if !strings.HasPrefix(text, stsVersion+";") {
		found.fatal("version", "the record does not begin with %q", stsVersion+";")
	}
	tags := cutTags(text, &found)
	seen := make(map[string]bool)
	for i, t := range tags {
		switch {
		case i == 0 && t.name == "v":
		case seen[t.name]:
			found.fatal("duplicate", "%.40q stands more than once", t.name)
		case t.name == "id":
			rec.ID = t.value
		case !t.isExtension():
			found.fatal("syntax", "%.40q is no valid field", t.name+"="+t.value)
		default:
			rec.Extensions = append(rec.Extensions, t.name)
		}
		seen[t.name] = true
	}
	rec.judgeID(seen["id"], &found)
	return rec, found
}

func (rec STSRecord) judgeID(present bool, found *problems) {
	switch {
	case !present:
		found.fatal("no-id", "the record has no id")
	case rec.ID == "" || len(rec.ID) > 32 || strings.ContainsFunc(rec.ID, func(r rune) bool { return !isAlnum(r) }):
		found.fatal("id", "the id %.60q is not 1 to 32 letters and digits", rec.ID)
	}
}
