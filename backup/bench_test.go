package backup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// crowd fills a server: ten folders of 10,000 messages of some 4 KB, whose texts differ.
func crowd(b *testing.B, messages int) *house {
	h := open(b, store.Options{})
	for p := range 10 {
		id := h.person(fmt.Sprint("user", p))
		inbox := h.folder(id, "INBOX")
		texts := make([]string, 0, 1000)
		for n := range messages / 10 {
			texts = append(texts, letterOf(p, n))
			if len(texts) == cap(texts) || n == messages/10-1 {
				h.putAll(inbox, texts, mailbox.Seen, "work")
				texts = texts[:0]
			}
		}
	}
	return h
}

// letterOf is a message such as people write: words that come again, and some that do not.
func letterOf(p, n int) string {
	text := fmt.Sprintf("From: user%d@example.com\r\nTo: anna@example.com\r\nSubject: about number %d\r\nMessage-ID: <%d.%d@example.com>\r\n\r\n", p, n, p, n)
	for i := 0; len(text) < 4000; i++ {
		text += fmt.Sprintf("Line %d of letter %x: the quick brown fox jumps over %x lazy dogs.\r\n", i, n*7919+p, (n+i)*104729)
	}
	return text
}

// BenchmarkUnchanged is a backup of a server of 100,000 messages on which nothing has
// happened since the last. The goal is 5 s.
func BenchmarkUnchanged(b *testing.B) {
	h := crowd(b, 100_000)
	first := time.Now()
	h.backup()
	b.ReportMetric(time.Since(first).Seconds(), "first-s")
	b.ResetTimer()
	for b.Loop() {
		if done := h.backup(); done.Read > 0 {
			b.Fatalf("%d messages were read", done.Read)
		}
	}
}

// BenchmarkRestore brings 10,000 messages of 4 KB back into a tree. The goal is 5,000
// messages a second.
func BenchmarkRestore(b *testing.B) {
	h := crowd(b, 100_000)
	h.backup()
	b.ResetTimer()
	n := int64(0)
	for b.Loop() {
		n += h.restore(backup.Request{Address: "user3@example.com", Folders: []string{"INBOX"}}).Brought
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}
