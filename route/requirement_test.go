package route

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

// TestRequirement: every combination of TLSA and MTA-STS leads to one level.
func TestRequirement(t *testing.T) {
	ca := newAuthority(t, nil)
	leaf, key := ca.leaf(t, testTime.AddDate(1, 0, 0), "mta-sts.example.com", "mx.example.com")
	ee, err := NewTLSA(3, 1, 1, leaf)
	if err != nil {
		t.Fatal(err)
	}
	const base = "example.com. MX 10 mx.example.com.\nmx.example.com. A 192.0.2.1\nmta-sts.example.com. A 127.0.0.1\n"
	const record = "_mta-sts.example.com. TXT \"v=STSv1; id=1\"\n"
	tlsa := fmt.Sprintf("_25._tcp.mx.example.com. TLSA %s\n", ee)
	const useless = "_25._tcp.mx.example.com. TLSA 1 1 1 00\n"
	enforce := "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n"
	tests := []struct {
		name, zone, policy string
		secure             bool
		fail               map[string]error
		want               Level
	}{
		{"plain", base, "", false, nil, Opportunistic},
		{"signed, no TLSA", base, "", true, nil, Opportunistic},
		{"TLSA unsigned", base + tlsa, "", false, nil, Opportunistic},
		{"TLSA", base + tlsa, "", true, nil, DANE},
		{"TLSA useless", base + useless, "", true, nil, Encrypted},
		{"TLSA temporary", base, "", true, map[string]error{"_25._tcp.mx.example.com. TLSA": world.ErrTemporary}, Undetermined},
		{"TLSA bogus", base, "", true, map[string]error{"_25._tcp.mx.example.com. TLSA": world.ErrBogus}, Undetermined},
		{"TLSA not asked when unsigned", base, "", false, map[string]error{"_25._tcp.mx.example.com. TLSA": world.ErrTemporary}, Opportunistic},
		{"no address", base, "", true, map[string]error{"mx.example.com. A": world.ErrTemporary}, Undetermined},
		{"enforce", base + record, enforce, false, nil, WebPKI},
		{"enforce and useless TLSA", base + record + useless, enforce, true, nil, WebPKI},
		{"enforce and TLSA", base + record + tlsa, enforce, true, nil, DANE},
		{"host not in policy", base + record, strings.Replace(enforce, "mx.example", "mx2.example", 1), false, nil, Forbidden},
		{"host not in policy, TLSA", base + record + tlsa, strings.Replace(enforce, "mx.example", "mx2.example", 1), true, nil, Forbidden},
		{"testing", base + record, strings.Replace(enforce, "enforce", "testing", 1), false, nil, Opportunistic},
		{"policy broken", base + record, "mode: enforce\n", false, nil, Opportunistic},
		{"record without policy", base + record, "", false, nil, Opportunistic},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z := newZone(t, tt.zone)
			z.secure, z.fail = tt.secure, tt.fail
			w := policyWorld(t, z, ca, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, policyHandler(tt.policy))
			p := Requirement(t.Context(), w, domain("example.com"))
			if len(p.Needs) != 1 || p.Needs[0].Level != tt.want {
				t.Fatalf("needs %+v, want %s", p.Needs, tt.want)
			}
			err := p.Needs[0].Verify([]*x509.Certificate{leaf}, w.Roots, testTime)
			if refuses := tt.want == Undetermined || tt.want == Forbidden; (err != nil) != refuses {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func policyHandler(policy string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if policy == "" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/plain")
		io.WriteString(rw, policy)
	}
}

func TestNeedVerifyRefuses(t *testing.T) {
	ca, stranger := newAuthority(t, nil), newAuthority(t, nil)
	good, _ := ca.leaf(t, testTime.AddDate(1, 0, 0), "mx.example.com")
	wrong, _ := ca.leaf(t, testTime.AddDate(1, 0, 0), "other.example.com")
	forged, _ := stranger.leaf(t, testTime.AddDate(1, 0, 0), "mx.example.com")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	n := Need{Level: WebPKI, Names: nil}
	if n.Verify([]*x509.Certificate{good}, pool, testTime) == nil {
		t.Error("a need without names passes")
	}
	n.Names = append(n.Names, domain("mx.example.com"))
	for _, bad := range []*x509.Certificate{wrong, forged} {
		if n.Verify([]*x509.Certificate{bad}, pool, testTime) == nil {
			t.Error("a bad certificate passes")
		}
	}
	if err := n.Verify(nil, pool, testTime); !errors.Is(err, ErrNoChain) {
		t.Errorf("no chain: %v", err)
	}
}

// TestTLSABase: the records stand at the end of an alias, or at its beginning.
func TestTLSABase(t *testing.T) {
	const alias = "example.com. MX 10 mx.example.com.\nmx.example.com. CNAME host.example.net.\nhost.example.net. A 192.0.2.1\n"
	rec := " TLSA 3 1 1 " + strings.Repeat("ab", 32) + "\n"
	for at, want := range map[string]string{
		"_25._tcp.host.example.net.": "[host.example.net mx.example.com example.com]",
		"_25._tcp.mx.example.com.":   "[mx.example.com example.com]",
	} {
		z := newZone(t, alias+at+rec)
		z.secure = true
		p := Requirement(t.Context(), &world.World{Resolver: z}, domain("example.com"))
		if n := p.Needs[0]; n.Level != DANE || string(n.TLSA.Name) != at || fmt.Sprint(n.Names) != want {
			t.Errorf("%s: level %s at %s for %v", at, n.Level, n.TLSA.Name, n.Names)
		}
	}
}
