package mail

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// TraceID names one message through its whole life here: in the log, the
// journal, the queue, and as the id of our Received field. Later ids sort behind
// earlier ones. The zero value is no message.
type TraceID string

// traceAlphabet is base32 whose letters sort as its values do (RFC 4648 section
// 7), in lower case, without padding.
const traceAlphabet = "0123456789abcdefghijklmnopqrstuv"

var traceText = base32.NewEncoding(traceAlphabet).WithPadding(base32.NoPadding)

// NewTraceID makes an id of 20 letters and digits: milliseconds since 1970, then
// 52 random bits.
func NewTraceID(now time.Time) TraceID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:])
	b[12] &= 0xF0
	var text [21]byte
	traceText.Encode(text[:], b[:13])
	return TraceID(text[:20])
}
