package probe

import (
	"bufio"
	"bytes"
	"errors"
	"time"
)

// Limits of one message.
const (
	maxMessage = 1 << 20
	maxHeader  = 32 << 10
)

// data takes a message. It reports true when the connection ended within it.
func (s *session) data(rest string) (gone bool) {
	switch {
	case len(s.rcpts) == 0:
		s.reply(503, "5.5.1", "RCPT first")
		return false
	case rest != "":
		s.reply(501, "5.5.4", "DATA stands alone")
		return false
	}
	s.reply(354, "", "end with a dot")
	header, size, err := s.readMessage()
	for _, t := range s.rcpts {
		e := s.event(Interrupted)
		e.Size = size
		if err == nil {
			e.describe(string(header), t)
		}
		s.listener.record(t, e)
	}
	s.rcpts = nil
	s.reset()
	switch {
	case err != nil:
		return true
	case size > maxMessage:
		s.reply(552, "5.3.4", "too large, but seen") // that it came out is all we want to know
	default:
		s.reply(250, "2.0.0", "seen")
	}
	return false
}

// errEndless ends a session whose message does not end.
var errEndless = errors.New("the message does not end")

// readMessage reads up to CRLF.CRLF and nothing else (RFC 5321 section 4.1.1.4). It
// keeps the header and counts the rest.
func (s *session) readMessage() (header []byte, size int, err error) {
	inHeader := true
	line := lineState{start: true, afterCRLF: true}
	for size < 4*maxMessage {
		s.conn.SetReadDeadline(time.Now().Add(maxIdle)) // deadline
		part, err := s.r.ReadSlice('\n')                // a piece where the line is long
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return header, size, err
		}
		here := line
		line.pass(part)
		if here.start && here.afterCRLF && part[0] == '.' {
			if string(part) == ".\r\n" {
				return header, size, nil
			}
			part = part[1:]
		}
		size += len(part)
		if here.start && len(bytes.TrimRight(part, "\r\n")) == 0 {
			inHeader = false
		}
		if inHeader && len(header)+len(part) <= maxHeader {
			header = append(header, part...)
		}
	}
	return header, size, errEndless
}

// lineState knows where in a line the next piece begins.
type lineState struct {
	start     bool // at its beginning
	afterCRLF bool // the line before ended in CRLF, not in a bare LF
	cr        bool // the piece before ended in CR
}

func (l *lineState) pass(part []byte) {
	whole := bytes.HasSuffix(part, []byte("\r\n")) || l.cr && len(part) == 1 && part[0] == '\n'
	l.start = part[len(part)-1] == '\n'
	l.afterCRLF = whole
	l.cr = part[len(part)-1] == '\r'
}
