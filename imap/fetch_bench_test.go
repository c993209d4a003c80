//go:build unix

package imap

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// newsletter is one of many messages, each different, of some kilobytes.
func newsletter(i int) string {
	words := strings.Fields("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua")
	var text strings.Builder
	for n := range 240 {
		text.WriteString(words[(i*7+n*n)%len(words)])
		if n%12 == 11 {
			text.WriteString("\n")
		} else {
			text.WriteByte(' ')
		}
	}
	if i%500 == 0 {
		text.WriteString("and a rare word: xylophone\n")
	}
	return crlf(fmt.Sprintf(`
Return-Path: <joe%[1]d@example.org>
Received: from mail.example.org (mail.example.org [192.0.2.1])
	by mx.example.com with ESMTPS (TLS 1.3 TLS_AES_128_GCM_SHA256) id 1AB2CD3EF%[1]d
	for <anna@example.com>; Sat, 21 Nov 2026 12:00:00 +0000
From: "Joe Example %[1]d" <joe%[1]d@example.org>
To: Anna Example <anna@example.com>
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= number %[1]d
Date: Sat, 21 Nov 2026 12:00:00 +0000
Message-ID: <%[1]d@example.org>
References: <a%[1]d@example.org>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_%[1]d"

--=_%[1]d
Content-Type: text/plain; charset=utf-8

%[2]s
--=_%[1]d
Content-Type: text/html; charset=utf-8

<p>%[2]s</p>
--=_%[1]d--
`, i, text.String()))
}

// archive is a data folder with somebody's many messages, which can be opened and closed.
type archive struct {
	b   testing.TB
	dir string
}

func newArchive(b testing.TB, many int) *archive {
	a := &archive{b, b.TempDir()}
	h, closeAll := a.open()
	defer closeAll()
	id := h.account("anna")
	for from := 0; from < many; from += 1000 {
		h.write(func(tx *store.Tx) error {
			f, err := mailbox.FolderOf(tx, id, mailbox.Inbox)
			if err != nil {
				return err
			}
			var all []mailbox.Delivery
			for i := from; i < min(many, from+1000); i++ {
				text := newsletter(i)
				spool := h.store.NewSpool()
				defer spool.Close()
				if _, err := spool.Write([]byte(text)); err != nil {
					return err
				}
				m, err := structure.Read(strings.NewReader(text))
				if err != nil {
					return err
				}
				body, err := tx.PutBody(spool)
				if err != nil {
					return err
				}
				all = append(all, mailbox.Delivery{Body: body, Size: spool.Size(), Received: noon.Add(time.Duration(i) * time.Second), Structure: m.Encode()})
			}
			_, _, err = mailbox.AppendAll(tx, f.ID, all)
			return err
		})
	}
	return a
}

// open opens the folder, with an index that has everything.
func (a *archive) open() (*house, func()) {
	a.b.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: a.dir, Schemas: []store.Schema{account.Schema, mailbox.Schema}, Clock: func() time.Time { return noon }})
	if err != nil {
		a.b.Fatal(err)
	}
	h := furnish(a.b, st)
	if got, err := h.accounts.Get(context.Background(), mail.MustParseAddress("anna@example.com")); err == nil {
		if h.passwords["anna@example.com"], err = h.accounts.AppPassword(context.Background(), got.ID, fmt.Sprint(time.Now().UnixNano())); err != nil {
			a.b.Fatal(err)
		}
	}
	x, err := mailbox.OpenIndex(context.Background(), mailbox.IndexOptions{Store: st, Dir: filepath.Join(a.dir, "words"), Clock: func() time.Time { return noon }})
	if err != nil {
		a.b.Fatal(err)
	}
	h.options.Index = x
	return h, func() {
		x.Close()
		st.Close()
	}
}

// BenchmarkFetch lists ten thousand messages, first of a store that was opened just now,
// then again and again.
func BenchmarkFetch(b *testing.B) {
	a := newArchive(b, 10_000)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			h, closeAll := a.open()
			s, addr := h.serve()
			p := h.program(addr, "anna")
			p.do("SELECT INBOX")
			b.StartTimer()
			p.do("FETCH 1:* (UID FLAGS ENVELOPE)")
			b.StopTimer()
			p.conn.Close()
			s.Shutdown(context.Background())
			closeAll()
			b.StartTimer()
		}
	})
	h, closeAll := a.open()
	defer closeAll()
	s, addr := h.serve()
	p := h.program(addr, "anna")
	p.do("SELECT INBOX")
	for _, command := range []string{"FETCH 1:* (UID FLAGS ENVELOPE)", "FETCH 1:* (UID FLAGS)", "FETCH 1:* (UID BODYSTRUCTURE)",
		"FETCH 1:1000 (UID BODY.PEEK[HEADER.FIELDS (From To Subject Date)])", "FETCH 1:1000 (UID BODY.PEEK[])",
		"SEARCH UNSEEN", "SEARCH FROM joe77", "SEARCH SENTSINCE 1-Nov-2026 SUBJECT number", "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"} {
		b.Run(command, func(b *testing.B) {
			for b.Loop() {
				p.do(command)
			}
		})
	}
	p.conn.Close()
	s.Shutdown(context.Background())
}
