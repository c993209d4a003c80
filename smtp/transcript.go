package smtp

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Side is who spoke.
type Side string

// The two sides, and what happened beside the dialogue.
const (
	FromServer Side = "S"
	FromClient Side = "C"
	Event      Side = "*" // connected, TLS began, connection lost
)

// Line is one line of a dialogue.
type Line struct {
	At   time.Duration `json:"at"` // since the dialogue began, in nanoseconds
	Side Side          `json:"side"`
	TLS  bool          `json:"tls,omitempty"`
	Text string        `json:"text"` // without CRLF, control characters escaped
}

// String is the line as evidence: "S: 220 mx.example ESMTP".
func (l Line) String() string { return string(l.Side) + ": " + l.Text }

// Limits of a transcript: far above any honest dialogue.
const (
	maxTranscript     = 1000
	maxTranscriptLine = 1024
)

// Transcript is what was said, in order. The body of a message is one line with
// its size, passwords are masked, and hostile octets are escaped, so that it may be
// shown to anybody. It keeps the first 1000 lines and counts the others. It is safe
// for concurrent use.
type Transcript struct {
	mu      sync.Mutex
	start   time.Time
	lines   []Line
	kept    int // lines that rewind leaves; zero: not set yet
	dropped int
}

func newTranscript() *Transcript { return &Transcript{start: time.Now()} } // elapsed

func (t *Transcript) add(side Side, tls bool, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == maxTranscript {
		t.dropped++
		return
	}
	t.lines = append(t.lines, Line{time.Since(t.start), side, tls, printable(text, maxTranscriptLine)}) // elapsed
}

// rewind forgets what was said since it was called first.
func (t *Transcript) rewind() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == 0 {
		t.kept = len(t.lines)
	}
	t.lines, t.dropped = t.lines[:t.kept], 0
}

// Lines are the lines kept so far.
func (t *Transcript) Lines() []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Line(nil), t.lines...)
}

// Dropped counts the lines that were said and not kept.
func (t *Transcript) Dropped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// Evidence is the dialogue as lines of proof for a finding.
func (t *Transcript) Evidence() []string {
	var lines []string
	for _, l := range t.Lines() {
		lines = append(lines, l.String())
	}
	if n := t.Dropped(); n > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more lines", Event, n))
	}
	return lines
}

// String is Evidence as one text.
func (t *Transcript) String() string { return strings.Join(t.Evidence(), "\n") }

// MarshalJSON writes the lines as an array.
func (t *Transcript) MarshalJSON() ([]byte, error) { return json.Marshal(t.Lines()) }

// printable escapes what could harm a terminal or a page, and cuts at limit octets.
func printable(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		s = escape(s)
	}
	if cut {
		s += "..."
	}
	return s
}

func escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		s = s[n:]
	}
	return b.String()
}
