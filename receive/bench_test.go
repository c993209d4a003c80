//go:build unix

package receive_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// signingKey is one RSA key with 2048 bits.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// publish adds the key to the zone.
func publish(t testing.TB, z *zone) {
	record, err := dkim.KeyRecord(signingKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	var chunks []string
	for len(record) > 200 {
		chunks, record = append(chunks, `"`+record[:200]+`"`), record[200:]
	}
	z.add(t, "s1._domainkey.sender.example. 60 IN TXT "+strings.Join(append(chunks, `"`+record+`"`), " "))
}

// letter is a signed message of about so many octets.
func letter(t testing.TB, size int) []byte {
	header := "From: joe@sender.example\r\nTo: anna@ours.example\r\nSubject: some kilobytes\r\n" +
		"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\n"
	const line = "It is a line of text, like any other, and there are many of them.\r\n"
	body := strings.Repeat(line, size/len(line))
	s := &dkim.Signer{Domain: mail.MustParseDomain("sender.example"), Selector: "s1", Key: signingKey()}
	field, err := s.Sign(message.ParseHeader(header), strings.NewReader(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(field + header + body)
}

// BenchmarkReceive takes messages in, without a network: fifty sessions beside one
// another, all the usual checks on, every DNS answer at hand, durable in SQLite.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []struct {
		name   string
		octets int
	}{{"4KB", 3700}, {"50KB", 50000}} {
		b.Run(size.name, func(b *testing.B) {
			h := newHouse(b, storetest.Open(b, schemas...), func(o *receive.Options) {
				o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
				o.Directory, o.Blocklists = reputation.NewDirectory(reputation.Options{Lists: benchLists, Now: o.World.Now}), []string{"zen", "dbl"}
			}, smtp.ServerOptions{})
			publish(b, h.zone)
			for _, line := range []string{"2.0.0.127.zen.test. 60 IN A 127.0.0.2", "test.dbl.test. 60 IN A 127.0.0.2"} {
				h.zone.add(b, line)
			}
			take(b, h, letter(b, size.octets))
		})
	}
}

var benchLists = []reputation.List{
	{ID: "zen", Zone: "zen.test", Purpose: reputation.Block, Weight: reputation.Critical, Access: reputation.Open, IPv6: true,
		Subjects: []reputation.Subject{reputation.OfIP}, Control: reputation.TestPoints{Listed: []string{"127.0.0.2"}, Clean: []string{"127.0.0.1"}}},
	{ID: "dbl", Zone: "dbl.test", Purpose: reputation.Block, Weight: reputation.Critical, Access: reputation.Open,
		Subjects: []reputation.Subject{reputation.OfDomain}, Control: reputation.TestPoints{Listed: []string{"test"}, Clean: []string{"example.com"}}},
}

// take shares the messages among fifty sessions.
func take(b *testing.B, h *house, text []byte) {
	const sessions = 50
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	before := cpu(b)
	syncs := h.store.Stats()
	var left atomic.Int64
	b.ResetTimer()
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for range sessions {
		all.Go(func() {
			peer := smtp.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Local: netip.MustParseAddrPort("198.51.100.25:25"), HELO: "mail.sender.example", EHLO: true}
			ctx := context.Background()
			s, reply := h.receiver.Open(ctx, peer)
			if !reply.IsZero() {
				b.Error(reply)
				return
			}
			defer s.Close()
			s.Hello(ctx, peer)
			for left.Add(-1) >= 0 {
				if reply := one(ctx, s, text); reply.Code != 250 {
					b.Error(reply)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
	now := h.store.Stats()
	if commits := now.Commits - syncs.Commits; commits > 0 {
		b.ReportMetric(float64(b.N)/float64(commits), "messages/commit")
	}
}

// one takes one message.
func one(ctx context.Context, s smtp.Session, text []byte) mail.Reply {
	defer s.Reset()
	if r := s.Mail(ctx, mail.MustParseAddress("joe@sender.example"), smtp.MailOptions{Size: int64(len(text))}); !r.IsZero() {
		return r
	}
	if r := s.Rcpt(ctx, mail.MustParseAddress("anna@ours.example"), smtp.RcptOptions{}); !r.IsZero() {
		return r
	}
	replies := s.Data(ctx, bytes.NewReader(text))
	if len(replies) == 0 {
		return mail.Reply{}
	}
	return replies[0]
}
