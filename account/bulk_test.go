package account_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// TestBulkToken brings a directory from before bulk tokens forward: its tokens go on as
// they were, and new ones may be of either kind.
func TestBulkToken(t *testing.T) {
	before := account.Schema
	before.Versions = before.Versions[:1]
	o := store.Options{Dir: t.TempDir(), Clock: world.None().Now, Schemas: []store.Schema{before}}
	old, err := store.Open(t.Context(), o)
	if err == nil {
		err = old.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO account_token (name, hash, owner, senders, per_hour, per_day, local_only, created) VALUES ('old', $1, 1, '', 0, 0, 0, 0)`, []byte("hash"))
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	o.Schemas = []store.Schema{account.Schema}
	st, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	d := account.Open(st, account.Options{Domains: []mail.Domain{mail.MustParseDomain("example.com")}, World: world.None()})
	t.Cleanup(d.Close)
	owner, err := d.Create(t.Context(), account.New{Address: mail.MustParseAddress("anna@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	bulk := map[string]bool{"crm": false, "news": true}
	for name, is := range bulk {
		secret, err := d.AddToken(t.Context(), account.TokenInfo{Name: name, Owner: owner, Bulk: is})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := d.Token(t.Context(), secret); err != nil || p.Bulk != is {
			t.Errorf("%s is bulk: %v, %v", name, p.Bulk, err)
		}
	}
	all, err := d.Tokens(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, token := range all {
		if token.Bulk != bulk[token.Name] {
			t.Errorf("%+v", token)
		}
	}
}
