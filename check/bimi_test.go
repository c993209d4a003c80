package check

import (
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

func TestBIMIRecord(t *testing.T) {
	const name = "default._bimi.example.com."
	tests := []struct {
		name, records string
		fail          map[string]error
		want          string
	}{
		{"none", "", nil, "none/skip"},
		{"right", name + ` TXT "v=BIMI1; l=https://example.com/l.svg; a=https://example.com/m.pem"`, nil, "right/green"},
		{"without certificate", name + ` TXT "v=BIMI1; l=https://example.com/l.svg"`, nil, "right/green"},
		{"declined", name + ` TXT "v=BIMI1; l=; a="`, nil, "declined/skip"},
		{"http", name + ` TXT "v=BIMI1; l=http://example.com/l.svg"`, nil, "void/red"},
		{"two", name + ` TXT "v=BIMI1; l=https://example.com/l.svg"` + "\n" + name + ` TXT "v=BIMI1; l=https://example.com/k.svg"`, nil, "void/red"},
		{"odd ending", name + ` TXT "v=BIMI1; l=https://example.com/l.png"`, nil, "odd/yellow"},
		{"another text", name + ` TXT "v=spf1 -all"`, nil, "none/skip"},
		{"time-out", "", map[string]error{name + " TXT": world.ErrTemporary}, "no-answer/unknown"},
		{"bogus", "", map[string]error{name + " TXT": world.ErrBogus}, "bogus/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, bimiRecord, subjectIn(newNames(t, tt.records, tt.fail))); got != tt.want {
				t.Errorf("says %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBIMIDemandsDMARC(t *testing.T) {
	const record = `default._bimi.example.com. TXT "v=BIMI1; l=https://example.com/l.svg"` + "\n"
	const at = "_dmarc.example.com."
	tests := []struct {
		name, records string
		fail          map[string]error
		want          string
	}{
		{"no BIMI", at + ` TXT "v=DMARC1; p=none"`, nil, ""},
		{"reject", record + at + ` TXT "v=DMARC1; p=reject"`, nil, "enforced/green"},
		{"quarantine", record + at + ` TXT "v=DMARC1; p=quarantine"`, nil, "enforced/green"},
		{"none", record + at + ` TXT "v=DMARC1; p=none; rua=mailto:a@example.com"`, nil, "not-enforced/red"},
		{"no DMARC", record, nil, "not-enforced/red"},
		{"sp=none", record + at + ` TXT "v=DMARC1; p=reject; sp=none"`, nil, "not-enforced/red"},
		{"test mode", record + at + ` TXT "v=DMARC1; p=quarantine; t=y"`, nil, "not-enforced/red"},
		{"half", record + at + ` TXT "v=DMARC1; p=quarantine; pct=50"`, nil, "not-enforced/red"},
		{"time-out", record, map[string]error{at + " TXT": world.ErrTemporary}, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, bimiDMARC, subjectIn(newNames(t, tt.records, tt.fail))); got != tt.want {
				t.Errorf("says %q, want %q", got, tt.want)
			}
		})
	}
}

// A file that nobody can see is unknown; one that is kept from us by its place is
// not.
func TestBIMIFiles(t *testing.T) {
	const record = `default._bimi.example.com. TXT "v=BIMI1; l=https://cdn.example.com/l.svg"` + "\n"
	tests := []struct {
		name, records string
		fail          map[string]error
		want          string
	}{
		{"no such host", record, nil, "not-there/red"},
		{"inside our network", record + "cdn.example.com. A 10.0.0.7", nil, "not-there/red"},
		{"time-out", record, map[string]error{"cdn.example.com. A": world.ErrTemporary, "cdn.example.com. AAAA": world.ErrTemporary}, "no-answer/unknown"},
		{"no way there", record + "cdn.example.com. A 5.5.5.7", nil, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, bimiLogo, subjectIn(newNames(t, tt.records, tt.fail))); got != tt.want {
				t.Errorf("says %q, want %q", got, tt.want)
			}
		})
	}
}
