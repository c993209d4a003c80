package identity

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

// TestRecords compares what a domain wants with testdata/*.zone.
func TestRecords(t *testing.T) {
	com, net := mail.MustParseDomain("example.com"), mail.MustParseDomain("example.net")
	for _, tt := range []struct {
		file   string
		domain mail.Domain
		change func(*Options)
		facts  map[string]string
	}{
		{"plain.zone", com, nil, nil},
		{"second-domain.zone", net, nil, nil},
		{"signed-acme.zone", com, func(o *Options) {
			o.Certificates.ACME = &ACME{Directory: "https://acme.example/directory"}
		}, map[string]string{"signed mx.example.com": "yes", "caa https://acme.example/directory": "acme.example other.example"}},
		{"services.zone", com, func(o *Options) {
			s := &o.Statement
			s.Names = Names{Submission: mail.MustParseDomain("smtp.example.com"), IMAP: mail.MustParseDomain("imap.example.com"), Web: mail.MustParseDomain("www.example.com")}
			s.Offers = Offers{POP3: true, POP3S: true, Sieve: true}
		}, nil},
		{"name-outside.zone", com, func(o *Options) { o.Statement.Hostname = mail.MustParseDomain("host7.hoster.example") }, nil},
		{"no-addresses.zone", com, func(o *Options) { o.Statement.Egress = nil }, nil},
		{"host-is-domain.zone", com, func(o *Options) { o.Statement.Hostname = com }, nil},
		{"dmarc-reject.zone", net, nil, map[string]string{rungFact(net): `{"policy":"reject"}`}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			id := open(t, storetest.Open(t, schemas()...), tt.change)
			for name, value := range tt.facts {
				if err := id.keepFact(t.Context(), name, value); err != nil {
					t.Fatal(err)
				}
			}
			if err := id.reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			records := id.Records(tt.domain)
			text := Fragment(tt.domain, records)
			compareGolden(t, tt.file, text)
			readZone(t, tt.domain, text, records)
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s (%v): got\n%s", path, err, got)
	}
}

// readZone has a foreign parser read the fragment and compares what it finds with the
// records, and looks for what no zone may hold.
func readZone(t *testing.T, origin mail.Domain, text string, records []finding.Record) {
	t.Helper()
	inside := map[string]int{}
	for _, r := range records {
		rr, err := dns.NewRR(r.Name + " 3600 IN " + r.Type + " " + r.Value)
		if err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		if dns.IsSubDomain(origin.String()+".", r.Name) {
			inside[rr.String()]++
		}
	}
	kinds := map[string][]string{}
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		inside[rr.String()]--
		name := rr.Header().Name
		kinds[name] = append(kinds[name], dns.TypeToString[rr.Header().Rrtype])
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	for rr, n := range inside {
		if n != 0 {
			t.Errorf("%+d: %s", n, rr)
		}
	}
	for name, has := range kinds {
		if strings.Contains(strings.Join(has, " "), "CNAME") && len(has) > 1 {
			t.Errorf("%s has a CNAME beside %v (RFC 1034 section 3.6.2)", name, has)
		}
	}
}

func TestRevokedKeyIsPublishedEmpty(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	err := id.store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_dkim SET state = 'revoked' WHERE domain = 'example.com' AND algorithm = 'rsa-sha256'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := id.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := mail.MustParseDomain("example.com")
	signers, err := id.Signers(d)
	if err != nil || len(signers) != 1 || signers[0].Selector[0] != 'e' {
		t.Errorf("signers %v, %v", signers, err)
	}
	found := false
	for _, r := range id.Records(d) {
		if strings.HasPrefix(r.Name, "r20261121._domainkey.") {
			text, _ := r.Text()
			key, err := dkim.ParseKey(text)
			if found = err == nil && key.Revoked; !found {
				t.Errorf("record %q, %v", text, err)
			}
		}
	}
	if !found {
		t.Error("the revoked key is not published")
	}
}

func TestMTASTSIsEnforcedOnlyWithABelievedCertificate(t *testing.T) {
	d := mail.MustParseDomain("example.com")
	weak, strong := open(t, storetest.Open(t, schemas()...), nil), open(t, storetest.Open(t, schemas()...), func(o *Options) { o.Certificates.Given = selfIssuer(t) })
	weakID, policy := weak.MTASTS(d)
	if !strings.Contains(policy, "mode: testing\r\n") {
		t.Errorf("with a self-signed certificate: %q", policy)
	}
	strongID, policy := strong.MTASTS(d)
	if policy != "version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 604800\r\n" {
		t.Errorf("with a good certificate: %q", policy)
	}
	if id, policy := strong.MTASTS(mail.MustParseDomain("example.org")); id != "" || policy != "" {
		t.Errorf("a policy for a stranger: %q", policy)
	}
	if weakID == strongID || len(strongID) > 32 {
		t.Errorf("ids %q and %q", weakID, strongID)
	}
}

func TestRoleAddresses(t *testing.T) {
	for i, a := range RoleAddresses(mail.MustParseDomain("example.com")) {
		if a.String() != RoleNames()[i]+"@example.com" {
			t.Errorf("%s", a)
		}
	}
}

func TestManyAddressesStayOneRecordEach(t *testing.T) {
	s := example()
	s.Egress = nil
	for n := range 40 {
		s.Egress = append(s.Egress, Egress{IP: netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})})
	}
	r := finding.TXT("example.com.", s.spf(nil))
	if text, err := r.Text(); err != nil || strings.Count(text, "ip4:") != 40 {
		t.Errorf("%q, %v", text, err)
	}
}
