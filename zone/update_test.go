package zone_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// living is a zone that somebody uses already.
const living = `$TTL 300
@ SOA ns1 hostmaster 1 7200 1800 1814400 60
@ NS ns1
ns1 A 127.0.0.1
@ MX 10 mx.other.example.
@ TXT "v=spf1 include:_spf.other.example ~all"
@ TXT "proof=1"
_dmarc TXT "v=DMARC1; p=reject"
mta-sts CNAME pages.other.example.
below NS ns.other.example.
`

const apex = world.Name("example.com.")

func updater(t *testing.T, zones map[string]string) (*peer.Nameserver, *zone.Update) {
	t.Helper()
	n := peer.BIND(t, zones)
	return n, &zone.Update{World: n.World(t), Key: zone.Key{Name: world.Name(n.KeyName), Secret: n.KeySecret}}
}

// longKey is a TXT record of two strings.
func longKey(name string) finding.Record {
	return finding.TXT(name, "v=DKIM1; k=rsa; p="+strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEF", 16))
}

func wanted() []finding.Record {
	return []finding.Record{
		{Name: "example.com.", Type: "MX", Value: "10 mx.example.com."},
		finding.TXT("example.com.", "v=spf1 ip4:127.20.0.25 -all"),
		longKey("ag-r1._domainkey.example.com."),
		finding.TXT("_dmarc.example.com.", "v=DMARC1; p=quarantine"),
		{Name: "mta-sts.example.com.", Type: "CNAME", Value: "mx.example.com."},
		{Name: "_submissions._tcp.example.com.", Type: "SRV", Value: "0 1 465 mx.example.com."},
		{Name: "mx.example.com.", Type: "A", Value: "127.20.0.25"},
		{Name: "mx.example.com.", Type: "CAA", Value: `0 issue "letsencrypt.org"`},
		{Name: "_25._tcp.mx.example.com.", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("ab", 32)},
	}
}

// TestUpdate publishes into a zone that lives, at a real name server, looks what has
// become of it, and undoes it.
func TestUpdate(t *testing.T) {
	n, u := updater(t, map[string]string{"example.com": living})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at, err := zone.Apex(ctx, u.World, "ag-r1._domainkey.example.com.")
	if err != nil || at != apex {
		t.Fatalf("apex %s, %v", at, err)
	}
	names := zone.Names(wanted())
	before, err := u.Read(ctx, at, names)
	if err != nil {
		t.Fatal(err)
	}
	plan := zone.NewPlan(at, wanted(), before, nil)
	changes := plan.Changes()
	if missing, err := zone.Missing(ctx, u.World, at, changes); err != nil || len(missing) != len(changes) {
		t.Errorf("missing before: %v, %v", missing, err)
	}
	if err := u.Write(ctx, at, changes); err != nil {
		t.Fatal(err)
	}
	if err := zone.Await(ctx, u.World, at, changes, nil); err != nil {
		t.Error(err)
	}
	for _, record := range []string{
		"example.com. MX 10 mx.other.example.",
		`example.com. TXT "v=spf1 include:_spf.other.example ip4:127.20.0.25 ~all"`,
		`example.com. TXT "proof=1"`,
		`_dmarc.example.com. TXT "v=DMARC1; p=reject"`,
		"mta-sts.example.com. CNAME pages.other.example.",
		"ag-r1._domainkey.example.com. TXT " + longKey("").Value,
		"mx.example.com. A 127.20.0.25",
		`mx.example.com. CAA 0 issue "letsencrypt.org"`,
	} {
		if !n.Has(t, record) {
			t.Errorf("not there: %s", record)
		}
	}
	if n.Has(t, "example.com. MX 10 mx.example.com.") {
		t.Error("the mail was moved unasked")
	}
	if err := u.Write(ctx, at, zone.Undo(changes)); err != nil {
		t.Fatal(err)
	}
	after, err := u.Read(ctx, at, names)
	if err != nil || len(after) != len(before) {
		t.Errorf("undone: %v, %v; it was %v", after, err, before)
	}
}

// TestUpdateIsFaster has somebody else change the zone between reading and writing.
func TestUpdateIsFaster(t *testing.T) {
	n, u := updater(t, map[string]string{"example.com": living})
	ctx := t.Context()
	stale, err := u.Read(ctx, apex, []world.Name{apex})
	if err != nil {
		t.Fatal(err)
	}
	spf := finding.TXT("example.com.", "v=spf1 ip4:127.20.0.25 -all")
	other := zone.Set{Name: apex, Type: "TXT", Values: []string{`"other=1"`}}
	if err := zone.Include(ctx, u, apex, other); err != nil {
		t.Fatal(err)
	}
	plan := zone.NewPlan(apex, []finding.Record{spf, {Name: "mx.example.com.", Type: "A", Value: "127.20.0.25"}}, stale, nil)
	if err := u.Write(ctx, apex, plan.Changes()); !errors.Is(err, zone.ErrChanged) {
		t.Errorf("error %v", err)
	}
	if n.Has(t, "mx.example.com. A 127.20.0.25") || !n.Has(t, `example.com. TXT "other=1"`) {
		t.Error("half of it was done")
	}
	if err := zone.Exclude(ctx, u, apex, other); err != nil || n.Has(t, `example.com. TXT "other=1"`) || !n.Has(t, `example.com. TXT "proof=1"`) {
		t.Errorf("excluded: %v", err)
	}
}

func TestUpdateIsRefused(t *testing.T) {
	n, good := updater(t, map[string]string{"example.com": living})
	change := []zone.Change{{
		Before: zone.Set{Name: "x.example.com.", Type: "A"}, After: zone.Set{Name: "x.example.com.", Type: "A", Values: []string{"127.0.0.9"}},
	}}
	for _, tt := range []struct {
		name string
		spot func(*zone.Update)
		zone world.Name
		want error
		text string
	}{
		{"another secret", func(u *zone.Update) { u.Key.Secret = base64.StdEncoding.EncodeToString([]byte("wrong")) }, apex, zone.ErrRefused, "BADSIG"},
		{"a key unknown", func(u *zone.Update) { u.Key.Name = "nobody." }, apex, zone.ErrRefused, "BADKEY"},
		{"a key that may not", func(u *zone.Update) { u.Key.Name = "reader." }, apex, zone.ErrRefused, "REFUSED"},
		{"no key", func(u *zone.Update) { u.Key = zone.Key{} }, apex, zone.ErrRefused, "REFUSED"},
		{"a key that is none", func(u *zone.Update) { u.Key.Secret = "%%" }, apex, zone.ErrKey, "base64"},
		{"an old algorithm", func(u *zone.Update) { u.Key.Algorithm = "hmac-md5" }, apex, zone.ErrKey, "hmac-md5"},
		{"another algorithm", func(u *zone.Update) { u.Key.Algorithm = "hmac-sha512" }, apex, zone.ErrRefused, "BADKEY"},
		{"a zone of others", func(*zone.Update) {}, "example.net.", nil, "example.net"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := *good
			u.Server = n.Addr
			u.World = &world.World{Network: world.Machine()}
			tt.spot(&u)
			err := u.Write(t.Context(), tt.zone, change)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
	if n.Has(t, "x.example.com. A 127.0.0.9") {
		t.Error("it was written")
	}
	gone := *good
	n.Stop()
	if _, err := gone.Read(t.Context(), apex, []world.Name{apex}); err == nil {
		t.Error("a server that is gone was read")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := zone.Await(ctx, gone.World, apex, change, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("awaited: %v", err)
	}
}
