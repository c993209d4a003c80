package lab

import (
	"bytes"
	"crypto/x509"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"text/template"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/world"
)

// internet is the lab as data.
//
//go:embed internet
var internet embed.FS

// texts makes all zone texts of a lab, in the order in which they count.
func texts(o Options, authority *ca.CA) ([]string, error) {
	t, err := templates(authority)
	if err != nil {
		return nil, err
	}
	all, err := files("internet/*.zone")
	if err != nil {
		return nil, err
	}
	more, err := t.domains(o.domains())
	if err != nil {
		return nil, err
	}
	all = append(all, more...)
	if !o.Bare {
		lists, err := t.lists()
		if err != nil {
			return nil, err
		}
		all = append(all, lists...)
	}
	bulk, err := t.bulk(o.Bulk)
	if err != nil {
		return nil, err
	}
	return append(append(all, bulk...), o.Zones...), nil
}

func files(pattern string) ([]string, error) {
	names, err := fs.Glob(internet, pattern)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range names {
		text, err := internet.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, nil
}

// zoneTemplates write zone texts that repeat.
type zoneTemplates struct{ *template.Template }

func templates(authority *ca.CA) (zoneTemplates, error) {
	keys, err := readKeys()
	if err != nil {
		return zoneTemplates{}, err
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"v6":       func(net, last int) string { return fmt.Sprintf("7f0a:%x", net<<8|last) },
		"reverse6": reverse6,
		"reverse":  reverseLabels,
		"tlsa":     authority.TLSA,
		"dkim":     keys.record,
		"repeat":   func(n int) []struct{} { return make([]struct{}, n) },
		"bytes":    func(n int) string { return strings.Repeat("x", n) },
	}).ParseFS(internet, "internet/*.tmpl", "internet/site/*", "internet/domains/*.zone")
	return zoneTemplates{t}, err
}

func (t zoneTemplates) text(name string, data any) (string, error) {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// domains makes the texts of domains: for each the good zone, then its own file
// where it has one.
func (t zoneTemplates) domains(domains []Domain) ([]string, error) {
	var all []string
	for _, d := range domains {
		names := []string{d.Name + ".zone"}
		if !d.Alone {
			names = []string{"good.tmpl", d.Name + ".zone"}
		}
		for _, name := range names {
			if t.Lookup(name) == nil {
				continue
			}
			text, err := t.text(name, d)
			if err != nil {
				return nil, err
			}
			all = append(all, text)
		}
	}
	return all, nil
}

// reverse6 is the ip6.arpa name of a host in the first IPv6 network.
func reverse6(net, last int) string {
	return string(world.ReverseName(netip.MustParseAddr(fmt.Sprintf("2001:db8::7f0a:%x", net<<8|last))))
}

// reverseLabels is an address as blocklists want it.
func reverseLabels(ip string) (string, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "", err
	}
	return world.ReverseLabels(addr), nil
}

// dkimKeys is dkim-keys.json: keys by name, PKCS #8 or SubjectPublicKeyInfo.
type dkimKeys struct {
	Private map[string][]byte `json:"private"`
	Public  map[string][]byte `json:"public"`

	records map[string]string // made before
}

func readKeys() (dkimKeys, error) {
	keys := dkimKeys{records: map[string]string{}}
	text, err := internet.ReadFile("internet/dkim-keys.json")
	if err != nil {
		return keys, err
	}
	return keys, json.Unmarshal(text, &keys)
}

// record is the TXT data of a DKIM key (RFC 6376 section 3.6.1), in strings of 255
// octets at most.
func (k dkimKeys) record(name string) (string, error) {
	if text, ok := k.records[name]; ok {
		return text, nil
	}
	kind, data, err := k.published(name)
	if err != nil {
		return "", fmt.Errorf("publishing the DKIM key %s: %w", name, err)
	}
	text := "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 255 {
		fmt.Fprintf(&b, "%q ", text[:255])
		text = text[255:]
	}
	fmt.Fprintf(&b, "%q", text)
	k.records[name] = b.String()
	return k.records[name], nil
}

func (k dkimKeys) published(name string) (kind string, data []byte, err error) {
	if spki, ok := k.Public[name]; ok {
		return "rsa", spki, nil
	}
	key, err := k.signer(name)
	if err != nil {
		return "", nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if strings.HasPrefix(name, "ed25519") {
		return "ed25519", spki[len(spki)-32:], err // RFC 8463 section 4.2: the bare key
	}
	return "rsa", spki, err
}
