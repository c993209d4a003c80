package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/allgreen-mail/allgreen/mail"
)

// Message makes a message of about size octets that looks like any other: a
// complete header, and lines of words, the same ones for the same seed.
func Message(from, to mail.Address, size int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, seed))
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Load <%s>\r\nTo: <%s>\r\nSubject: Message %d of a measurement\r\n", from, to, seed)
	fmt.Fprintf(&b, "Date: Sat, 21 Nov 2026 16:05:00 +0000\r\nMessage-ID: <%016x.%d@%s>\r\n", random.Uint64(), seed, from.Domain)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	for b.Len() < size {
		line := min(72, size-b.Len())
		for range line {
			b.WriteByte("etaoin shrdlu cmfwyp"[random.IntN(20)])
		}
		b.WriteString("\r\n")
	}
	return b.Bytes()
}
