package tlsprobe

import (
	"crypto/tls"
	"os/exec"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	for _, all := range [][]Algorithm{suites(), groups()} {
		seen, class := make(map[uint16]bool), make(map[string]Class)
		for _, a := range all {
			if seen[a.ID] || a.Name == "" || a.Family == "" {
				t.Errorf("%+v", a)
			}
			seen[a.ID] = true
			switch a.Class {
			case Good, Sufficient, PhaseOut, Bad:
			default:
				t.Errorf("%s is %q", a.Name, a.Class)
			}
			if c, ok := class[a.Family]; ok && c != a.Class && a.Family != "tls13" {
				t.Errorf("family %s is %s and %s: one accepted would not settle it", a.Family, c, a.Class)
			}
			class[a.Family] = a.Class
		}
	}
}

func TestClasses(t *testing.T) {
	for name, want := range map[string]Class{
		"TLS_AES_256_GCM_SHA384": Good, "TLS_AES_128_GCM_SHA256": Sufficient, "TLS_CHACHA20_POLY1305_SHA256": Good,
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": Good, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": Good,
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": Sufficient, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": PhaseOut,
		"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": PhaseOut, "TLS_RSA_WITH_AES_256_GCM_SHA384": Bad,
		"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": Bad, "TLS_ECDHE_RSA_WITH_RC4_128_SHA": Bad, "TLS_RSA_EXPORT_WITH_RC4_40_MD5": Bad,
		"TLS_DH_anon_WITH_AES_256_GCM_SHA384": Bad, "TLS_ECDHE_RSA_WITH_NULL_SHA": Bad,
	} {
		if got := byName(suites(), name).Class; got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	for name, want := range map[string]Class{"X25519": Good, "X25519MLKEM768": Good, "P-521": Good, "brainpoolP256r1": Good,
		"P-224": PhaseOut, "ffdhe2048": PhaseOut, "P-192": Bad, "secp256k1": Bad} {
		if got := byName(groups(), name).Class; got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
}

func byName(all []Algorithm, name string) Algorithm {
	for _, a := range all {
		if a.Name == name {
			return a
		}
	}
	return Algorithm{}
}

// TestNumbers compares our numbers with those of crypto/tls and openssl.
func TestNumbers(t *testing.T) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := find(suites(), s.ID); got.Name != s.Name && !strings.HasPrefix(s.Name, "TLS_FALLBACK") {
			t.Errorf("0x%04x is %s here and %s in crypto/tls", s.ID, got.Name, s.Name)
		}
	}
	for _, id := range []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024} {
		if got := find(groups(), uint16(id)).Name; strings.ReplaceAll(got, "-", "") != strings.TrimPrefix(id.String(), "Curve") {
			t.Errorf("%d is %s here and %s in crypto/tls", id, got, id)
		}
	}
	out, err := exec.Command("openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skip("openssl is missing")
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.Contains(f[2], "PSK") || strings.Contains(f[2], "SRP") {
			continue
		}
		if a := byName(suites(), f[2]); a.ID>>8 != number(f[0][2:4]) || a.ID&0xff != number(f[0][7:9]) {
			t.Errorf("%s is 0x%04x here and %s in openssl", f[2], a.ID, f[0])
		}
	}
}

func number(s string) (n uint16) {
	for _, c := range strings.ToLower(s) {
		n = n<<4 | uint16(strings.IndexRune("0123456789abcdef", c))
	}
	return n
}
