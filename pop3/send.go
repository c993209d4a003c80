package pop3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
)

// wholeBody stands for all lines of a body.
const wholeBody = -1

// send answers with a message, or with so many lines of its body.
func (s *session) send(ctx context.Context, i, lines int) error {
	m := &s.drop.messages[i]
	body, err := s.store.OpenBody(ctx, m.body)
	if err != nil {
		s.log.Warn("a message could not be opened", "as", s.Who().Name, "uid", m.uid, "error", err)
		s.refuse("SYS/TEMP", "the message is gone, or cannot be read now")
		return nil
	}
	defer body.Close()
	s.ok("%d octets", m.size)
	w := &stuffer{to: s, lines: lines, start: true}
	// An error here is one of the store or of the line: the client must not take what
	// it has for the whole message.
	if err := w.copy(bufio.NewReaderSize(body, 16<<10)); err != nil {
		return err
	}
	s.Print(".\r\n")
	return nil
}

// stuffer sends lines, doubles the dot at the beginning of each (RFC 1939 section 3),
// and ends each with CRLF.
type stuffer struct {
	to    io.Writer
	lines int // of the body that are left; wholeBody: all
	start bool
	body  bool
}

func (w *stuffer) copy(from *bufio.Reader) error {
	for {
		piece, err := from.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return err
		}
		if len(piece) > 0 {
			if w.start && w.body && w.lines == 0 {
				return nil
			}
			if err := w.piece(piece, whole); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			if !w.start {
				_, err := io.WriteString(w.to, "\r\n")
				return err
			}
			return nil
		}
	}
}

// piece sends a line, or a part of a long one.
func (w *stuffer) piece(piece []byte, whole bool) error {
	if w.start && piece[0] == '.' {
		if _, err := io.WriteString(w.to, "."); err != nil {
			return err
		}
	}
	text := piece
	if whole {
		text = bytes.TrimSuffix(piece[:len(piece)-1], []byte("\r"))
	}
	if _, err := w.to.Write(text); err != nil {
		return err
	}
	if whole {
		w.endLine(len(text) == 0)
		if _, err := io.WriteString(w.to, "\r\n"); err != nil {
			return err
		}
	}
	w.start = whole
	return nil
}

// endLine counts the lines of the body, which begins behind the first empty one.
func (w *stuffer) endLine(empty bool) {
	switch {
	case !w.body:
		w.body = w.start && empty
	case w.lines > 0:
		w.lines--
	}
}
