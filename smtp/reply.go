package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Limits of one reply. RFC 5321 section 4.5.3.1.5 allows lines of 512 octets; real
// servers say more at times, so eight times as much is read and noted as a fault.
const (
	goodReplyLine  = 512
	maxReplyLine   = 4096
	maxReplyLines  = 128
	maxReplyOctets = 64 << 10
)

// Fault is something a server did against the rules that could be read all the same.
type Fault string

// The faults that are tolerated and remembered.
const (
	BareLF           Fault = "reply line without CR"
	LongLine         Fault = "reply line over 512 octets"
	ControlCharacter Fault = "control character in a reply"
	EightBit         Fault = "octets outside ASCII in a reply" // allowed only after SMTPUTF8
)

// replyReader takes replies off a connection, one at a time.
type replyReader struct {
	r      *bufio.Reader
	heard  func(line string) // called for each line as soon as it is whole
	faults map[Fault]bool
}

func newReplyReader(r io.Reader, heard func(string)) *replyReader {
	return &replyReader{bufio.NewReaderSize(r, maxReplyLine), heard, make(map[Fault]bool)}
}

// read takes one reply. On an error the text is what had come, for the record.
func (rr *replyReader) read() (mail.Reply, string, error) {
	var lines []string
	octets := 0
	for {
		line, err := rr.line()
		octets += len(line)
		if err == nil && octets > maxReplyOctets {
			err = ErrLimit
		}
		if err != nil {
			return mail.Reply{}, soFar(lines, line), err
		}
		rr.heard(line)
		lines = append(lines, line)
		_, more, _, err := mail.CutReplyLine(line)
		if err == nil && more && len(lines) == maxReplyLines {
			err = ErrLimit
		}
		if err != nil {
			return mail.Reply{}, soFar(lines, ""), err
		}
		if !more {
			reply, err := mail.ParseReply(lines)
			return reply, soFar(lines, ""), err
		}
	}
}

// line takes one line, without its CRLF. What came of an unfinished one is returned
// beside the error.
func (rr *replyReader) line() (string, error) {
	raw, err := rr.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return string(raw), ErrLimit
	}
	if err != nil {
		return string(raw), err
	}
	rr.note(raw)
	return string(bytes.TrimSuffix(raw[:len(raw)-1], []byte("\r"))), nil
}

func (rr *replyReader) note(raw []byte) {
	text, ok := bytes.CutSuffix(raw, []byte("\r\n"))
	if !ok {
		rr.faults[BareLF] = true
		text = raw[:len(raw)-1]
	}
	if len(raw) > goodReplyLine {
		rr.faults[LongLine] = true
	}
	for _, c := range text {
		switch {
		case c >= 0x80:
			rr.faults[EightBit] = true
		case c < ' ' && c != '\t' || c == 0x7f:
			rr.faults[ControlCharacter] = true
		}
	}
}

// soFar is what had come of a reply, shortened for an error's text.
func soFar(lines []string, rest string) string {
	const limit = 200
	all := strings.Join(lines, "\r\n")
	if len(lines) > 0 && rest != "" {
		all += "\r\n"
	}
	return printable(all+rest, limit)
}
