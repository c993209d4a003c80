package identity

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func TestExportAndImport(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		d := mail.MustParseDomain("example.com")
		old := open(t, storetest.Open(t, schemas()...), nil)
		file, err := old.Export(t.Context(), []byte("correct horse"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(file), "node_key") {
			t.Error("the export lies open")
		}
		keyFile := filepath.Join(t.TempDir(), "node.key")
		if err := Import(t.Context(), st, keyFile, file, []byte("correct horse")); err != nil {
			t.Fatal(err)
		}
		restored := open(t, st, func(o *Options) { o.NodeKeyFile = keyFile })
		a, _ := old.Signers(d)
		b, err := restored.Signers(d)
		if err != nil || !a[1].Key.Public().(ed25519.PublicKey).Equal(b[1].Key.Public()) || string(old.SRS()) != string(restored.SRS()) {
			t.Errorf("the restored identity is another: %v", err)
		}
		if old.tlsa(old.Statement().Hostname) != restored.tlsa(old.Statement().Hostname) {
			t.Error("the restored TLS key is another")
		}
		if err := Import(t.Context(), st, keyFile, file, []byte("correct horse")); !errors.Is(err, ErrExport) {
			t.Errorf("imported over an identity: %v", err)
		}
	})
}

// TestImportRefuses holds that what is no export, or was changed, leaves nothing behind.
func TestImportRefuses(t *testing.T) {
	st := storetest.Open(t, schemas()...)
	file, err := open(t, storetest.Open(t, schemas()...), nil).Export(t.Context(), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "node.key")
	for what, attempt := range map[string]struct{ file, passphrase []byte }{
		"another passphrase": {file, []byte("battery staple")},
		"no passphrase":      {file, nil},
		"changed":            {append(file[:len(file)-1:len(file)-1], file[len(file)-1]^1), []byte("correct horse")},
		"cut off":            {file[:30], []byte("correct horse")},
		"no export":          {[]byte("{}"), nil},
		"no JSON":            {[]byte("hello"), nil},
	} {
		if err := Import(t.Context(), st, keyFile, attempt.file, attempt.passphrase); !errors.Is(err, ErrExport) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Stat(keyFile); err == nil {
		t.Fatal("a file that is no export left a node key")
	}
}

// TestImportKeepsAnotherNodesKey holds that a node key that is there is never lost.
func TestImportKeepsAnotherNodesKey(t *testing.T) {
	file, err := os.ReadFile("testdata/export.json")
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "node.key")
	if err := newNodeKey().write(keyFile); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(keyFile)
	err = Import(t.Context(), storetest.Open(t, schemas()...), keyFile, file, nil)
	after, _ := os.ReadFile(keyFile)
	if err == nil || string(before) != string(after) {
		t.Errorf("error %v, key changed: %v", err, string(before) != string(after))
	}
}

// FuzzImport holds that no file does more than fail.
func FuzzImport(f *testing.F) {
	file, err := os.ReadFile("testdata/export.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(sealedMark))
	f.Add([]byte(`{"format":"allgreen-identity-1","node_key":"x"}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > len(sealedMark)+saltSize+24 && strings.HasPrefix(string(file), sealedMark) {
			t.Skip("costs a passphrase")
		}
		e, key, err := readExport(file, nil)
		if err != nil {
			if !errors.Is(err, ErrExport) {
				t.Errorf("error %v", err)
			}
			return
		}
		if again, err := parseNodeKey(key.text()); err != nil || again != key {
			t.Errorf("node key %v", err)
		}
		checkExport(e)
	})
}
