package mailbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// indexed runs a test with an index on every engine.
func indexed(t *testing.T, f func(t *testing.T, st *store.Store, x *mailbox.Index)) {
	for _, engine := range []store.Engine{store.SQLite, store.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			dsn := ""
			if engine == store.PostgreSQL {
				dsn = storetest.PostgreSQL(t)
			}
			st := storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{mailbox.Schema}})
			f(t, st, openIndex(t, st, dsn))
		})
	}
}

func openIndex(t testing.TB, st *store.Store, dsn string) *mailbox.Index {
	t.Helper()
	x, err := mailbox.OpenIndex(t.Context(), mailbox.IndexOptions{Store: st, Dir: t.TempDir(), PostgreSQL: dsn, Clock: new(world.World).Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// deliverText delivers a message as it is written here.
func deliverText(t testing.TB, st *store.Store, account int64, texts ...string) {
	t.Helper()
	write(t, st, func(tx *store.Tx) error {
		for _, text := range texts {
			text = strings.ReplaceAll(text, "\n", "\r\n")
			body, err := put(tx, st, text)
			if err != nil {
				return err
			}
			if _, err := mailbox.Deliver(tx, mailbox.Delivery{Account: account, Body: body, Size: int64(len(text)), Received: noon}); err != nil {
				return err
			}
		}
		return nil
	})
}

func search(t testing.TB, x *mailbox.Index, folder mailbox.FolderID, queries ...mailbox.Query) (found [][]mailbox.UID) {
	t.Helper()
	sets, err := x.Search(t.Context(), folder, queries...)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		found = append(found, slices.Collect(s.All()))
	}
	return found
}

// searchable are messages, by UID, and what must find which of them.
var searchable = []string{
	"Subject: Invoice 2026-17 for the car\nFrom: Anna Berg <anna@example.org>\nTo: bob@example.net\nMessage-ID: <m1@example.org>\n\nThe blue car is ready.\n",
	"Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus_K=F6ln?=\nFrom: =?utf-8?B?xYF1a2Fzeg==?= <lukasz@example.pl>\nContent-Type: text/plain; charset=iso-8859-2\nContent-Transfer-Encoding: quoted-printable\n\nZa=BF=F3=B3=E6 g=EA=B6l=B1 ja=BC=F1. Stra=DFe.\n",
	"Subject: html\nReceived: from secretroute.example\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<style>.hidden{}</style><p>Dear <b>cust</b>omer,</p>caf&eacute;<br>bar<img alt=\"sunset picture\"><script>var evil</script>\n--b--\n",
	"Subject: =?iso-2022-jp?B?GyRCRnxLXDhsJE42OExgGyhC?=\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n\n\xf0\xf2\xe9\xf7\xe5\xf4 \xcd\xc9\xd2\n",
	"Subject: files\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pdf; name=\"Quarterly Report.pdf\"\nContent-Transfer-Encoding: base64\n\nc2VjcmV0Ynl0ZXM=\n--b\nContent-Type: message/rfc822\n\nSubject: forwarded thing\nFrom: inner@example.com\n\ninside text\n--b--\n",
	"Subject: base64\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nVGhlIGRhcmsgYmx1ZSBjYXJwZXQ=\n",
	"no header at all, and a car",
	"",
}

var searches = []struct {
	text string
	in   mailbox.Field
	want []mailbox.UID
}{
	{"car", 0, []mailbox.UID{1, 6, 7}},
	{"CAR ", 0, []mailbox.UID{1, 7}}, // a blank ends the word
	{"blue car", 0, []mailbox.UID{1, 6}},
	{"car blue", 0, nil},
	{"blue ready", 0, nil},
	{"car", mailbox.InSubject, []mailbox.UID{1}},
	{"car", mailbox.InBody | mailbox.InPeople, []mailbox.UID{1, 6}},
	{"invoice 2026", mailbox.InSubject, []mailbox.UID{1}},
	{"nvoice", 0, nil},
	{"anna@example.org", 0, []mailbox.UID{1}},
	{"anna", mailbox.InPeople, []mailbox.UID{1}},
	{"anna", mailbox.InSubject | mailbox.InBody, nil},
	{"m1@example", mailbox.InHeader, []mailbox.UID{1}},
	{"GRÜSSE aus köln", 0, []mailbox.UID{2}},
	{"grusse", mailbox.InSubject, []mailbox.UID{2}},
	{"lukasz", mailbox.InPeople, []mailbox.UID{2}},
	{"zażółć GĘŚLĄ jaźń", 0, []mailbox.UID{2}},
	{"zaz\u0307o\u0301lc\u0301", 0, nil}, // l with a stroke is no l with an accent
	{"strasse", 0, []mailbox.UID{2}},
	{"customer caf\u00e9 bar", 0, []mailbox.UID{3}},
	{"cafe\u0301", 0, []mailbox.UID{3}},
	{"sunset", mailbox.InBody, []mailbox.UID{3}},
	{"hidden", 0, nil}, {"evil", 0, nil}, {"secretroute", 0, nil}, {"secretbytes", 0, nil},
	{"本語", 0, []mailbox.UID{4}}, {"語本", 0, nil},
	{"日", mailbox.InSubject, []mailbox.UID{4}},
	{"привет", 0, []mailbox.UID{4}}, {"ПРИВ", 0, []mailbox.UID{4}},
	{"quarterly report.pdf", 0, []mailbox.UID{5}},
	{"forwarded thing", mailbox.InBody, []mailbox.UID{5}}, {"forwarded", mailbox.InSubject, nil},
	{"inside", 0, []mailbox.UID{5}},
	{"carpet", 0, []mailbox.UID{6}},
	{"c", 0, nil}, // one letter is a word, not the beginning of half of them
}

func TestSearch(t *testing.T) {
	indexed(t, func(t *testing.T, st *store.Store, x *mailbox.Index) {
		create(t, st, 7, 8)
		other := append([]string{"Subject: car\n\nblue car\n"}, searchable...)
		deliverText(t, st, 8, other...) // the folder of somebody else
		deliverText(t, st, 7, searchable...)
		inbox := folders(t, st, 7)["INBOX"].ID
		check := func(x *mailbox.Index, how string) {
			t.Helper()
			for _, tt := range searches {
				if got := search(t, x, inbox, mailbox.Query{Text: tt.text, In: tt.in})[0]; !slices.Equal(got, tt.want) {
					t.Errorf("%s: search for %q in %04b gives %v, want %v", how, tt.text, tt.in, got, tt.want)
				}
			}
		}
		check(mailbox.NoIndex(st), "without an index")
		check(x, "before indexing")
		if err := x.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(x, "indexed")
		found := search(t, x, inbox, mailbox.Query{Text: "carpet"}, mailbox.Query{Text: "anna"})
		if diff := cmp.Diff([][]mailbox.UID{{6}, {1}}, found); diff != "" {
			t.Errorf("two queries (-want +got):\n%s", diff)
		}
		if _, err := x.Search(t.Context(), inbox, mailbox.Query{Text: "!?"}); !errors.Is(err, mailbox.ErrNoWords) || mailbox.HasWords("!?") || !mailbox.HasWords("ü") {
			t.Errorf("search for nothing: %v", err)
		}
		if _, err := x.Search(t.Context(), inbox+100, mailbox.Query{Text: "car"}); !errors.Is(err, mailbox.ErrNoFolder) {
			t.Errorf("search in no folder: %v", err)
		}
	})
}

// TestSearchNeverLies changes a folder in every way; whatever of it is indexed, cleaned
// or not, what is found is what is there.
func TestSearchNeverLies(t *testing.T) {
	indexed(t, func(t *testing.T, st *store.Store, x *mailbox.Index) {
		create(t, st, 7)
		inbox, archive := folders(t, st, 7)["INBOX"].ID, folders(t, st, 7)["Archive"].ID
		n := 0
		check := func(step string) {
			t.Helper()
			for _, id := range []mailbox.FolderID{inbox, archive} {
				for _, q := range []string{"needle", "even", "third"} {
					want := search(t, mailbox.NoIndex(st), id, mailbox.Query{Text: q})
					if diff := cmp.Diff(want, search(t, x, id, mailbox.Query{Text: q})); diff != "" {
						t.Errorf("%s: %q in %d (-want +got):\n%s", step, q, id, diff)
					}
				}
			}
		}
		deliver := func(count int) {
			var texts []string
			for range count {
				n++
				text := fmt.Sprintf("Subject: needle %d\n\n", n)
				if n%2 == 0 {
					text += "even "
				}
				if n%3 == 0 {
					text += "third"
				}
				texts = append(texts, text)
			}
			deliverText(t, st, 7, texts...)
		}
		catchUp := func() {
			t.Helper()
			if err := x.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		clean := func() {
			t.Helper()
			if err := x.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		expunge := func(uids ...mailbox.UID) {
			write(t, st, func(tx *store.Tx) error {
				_, err := mailbox.Expunge(tx, inbox, uids)
				return err
			})
		}
		deliver(230) // more than a batch
		check("delivered")
		expunge(3, 4)
		catchUp()
		check("indexed")
		expunge(uidRange(10, 20)...)
		deliver(10)
		check("expunged")
		clean()
		catchUp()
		check("cleaned")
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.Move(tx, inbox, uidRange(200, 240), archive)
			return err
		})
		check("moved")
		catchUp()
		clean()
		clean()
		check("moved and cleaned")
		found := search(t, x, archive, mailbox.Query{Text: "needle"})[0]
		if len(found) != 41 {
			t.Errorf("%d are found in the archive, want 41", len(found))
		}
		write(t, st, func(tx *store.Tx) error { return mailbox.RemoveFolder(tx, 7, "Archive") })
		clean()
		archive = folder(t, st, mailbox.Folder{Account: 7, Name: "Archive"})
		check("removed")
	})
}

// TestSearchShown has a folder filled while it is hidden.
func TestSearchShown(t *testing.T) {
	st := storetest.Open(t, mailbox.Schema)
	x := openIndex(t, st, "")
	create(t, st, 7)
	var id mailbox.FolderID
	write(t, st, func(tx *store.Tx) (err error) {
		if id, err = mailbox.NewHidden(tx, 7, "x"); err != nil {
			return err
		}
		body, err := put(tx, st, "Subject: needle\r\n\r\n")
		if err == nil {
			_, _, err = mailbox.Append(tx, id, mailbox.Delivery{Body: body, Received: noon})
		}
		return err
	})
	for i, want := range []mailbox.UID{0, 1} {
		if err := x.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reached, err := x.Reached(t.Context(), id); reached != want || err != nil {
			t.Errorf("%d: indexed up to %d, %v, want %d", i, reached, err, want)
		}
		if i == 0 {
			write(t, st, func(tx *store.Tx) error {
				return mailbox.Show(tx, id, mailbox.Folder{Account: 7, Name: "Restored/x", Sealed: true})
			})
		}
	}
	if got := search(t, x, id, mailbox.Query{Text: "needle"})[0]; !slices.Equal(got, []mailbox.UID{1}) {
		t.Errorf("found %v", got)
	}
}

// TestSearchAfterRestore has the database of another time under an index: the folder of
// the same number is another one.
func TestSearchAfterRestore(t *testing.T) {
	dir := t.TempDir()
	for i, texts := range [][]string{{"Subject: red\n\n", "Subject: red\n\n"}, {"Subject: green\n\n", "Subject: green\n\n", "Subject: red\n\n"}} {
		clock := func() time.Time { return noon.Add(time.Duration(i) * time.Hour) }
		st := storetest.OpenWith(t, store.Options{Clock: clock, Schemas: []store.Schema{mailbox.Schema}})
		create(t, st, 7)
		deliverText(t, st, 7, texts...)
		x, err := mailbox.OpenIndex(t.Context(), mailbox.IndexOptions{Store: st, Dir: dir, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"before", "after"} {
			inbox := folders(t, st, 7)["INBOX"].ID
			want := [][][]mailbox.UID{{{1, 2}}, {{3}}}[i]
			if diff := cmp.Diff(want, search(t, x, inbox, mailbox.Query{Text: "red"})); diff != "" {
				t.Errorf("database %d, %s catching up (-want +got):\n%s", i, when, diff)
			}
			if err := x.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
