package check

import "testing"

func TestServicesThatAreNotSeen(t *testing.T) {
	const srv = "_imaps._tcp.example.com. SRV 0 1 993 imap.example.net.\n"
	tests := []struct {
		name, zone string
		fail       map[string]error
		check      Check
		want       string
	}{
		{"none", "", nil, accessOffered, "not-announced/skip"},
		{"SRV lost", "", lost("_imaps._tcp.example.com. SRV"), accessOffered, "no-answer/unknown"},
		{"no such host", srv, nil, accessOffered, "dead/yellow"},
		{"host lost", srv, lost("imap.example.net. A", "imap.example.net. AAAA"), accessOffered, "no-answer/unknown"},
		{"host forged", srv, forged("imap.example.net. A", "imap.example.net. AAAA"), accessOffered, "bogus/unknown"},
		{"one SRV lost, the other dead", srv, lost("_imap._tcp.example.com. SRV"), accessOffered, "dead/yellow no-answer/unknown"},
		{"names", srv, nil, accessNames, "apart/green"},
		{"names, one SRV lost", srv, lost("_imap._tcp.example.com. SRV"), accessNames, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, subjectIn(newNames(t, tt.zone, tt.fail))); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}
