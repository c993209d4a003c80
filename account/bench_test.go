package account_test

import (
	"fmt"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// BenchmarkResolve is the accept path: the recipient is known from before.
func BenchmarkResolve(b *testing.B) {
	st := storetest.Open(b, account.Schema)
	d := open(b, st)
	create(b, d, "anna@example.com")
	rcpt := addr("anna@example.com")
	benchmarkResolve(b, st, d, func(int) mail.Address { return rcpt })
}

// BenchmarkResolveFirst asks for each recipient once.
func BenchmarkResolveFirst(b *testing.B) {
	st := storetest.Open(b, account.Schema)
	d := open(b, st)
	create(b, d, "anna@example.com")
	benchmarkResolve(b, st, d, func(i int) mail.Address {
		return mail.Address{Local: fmt.Sprintf("anna+%d", i), Domain: domains[0]}
	})
}

// BenchmarkResolveUnknown is somebody who tries all the names there are.
func BenchmarkResolveUnknown(b *testing.B) {
	st := storetest.Open(b, account.Schema)
	d := open(b, st)
	b.ReportAllocs()
	err := st.Read(b.Context(), func(tx *store.Tx) error {
		for i := 0; b.Loop(); i++ {
			if _, err := d.Resolve(tx, mail.Address{Local: fmt.Sprintf("x%d", i), Domain: domains[0]}); err == nil {
				b.Fatal("somebody is there")
			}
		}
		return nil
	})
	must(b, err)
}

func benchmarkResolve(b *testing.B, st *store.Store, d *account.Directory, rcpt func(int) mail.Address) {
	b.ReportAllocs()
	err := st.Read(b.Context(), func(tx *store.Tx) error {
		for i := 0; b.Loop(); i++ {
			if _, err := d.Resolve(tx, rcpt(i)); err != nil {
				b.Fatal(err)
			}
		}
		return nil
	})
	must(b, err)
}
