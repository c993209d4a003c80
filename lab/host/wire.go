package host

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"time"
)

const (
	maxLine  = 12288           // octets of a command: the longest AUTH response (RFC 4954 section 4)
	patience = 2 * time.Minute // without a command
)

var errLongLine = errors.New("line too long")

// wire is one connection: lines in, replies out.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	drip time.Duration
	stop <-chan struct{} // closed when the lab ends
}

func newWire(conn net.Conn, drip time.Duration, stop <-chan struct{}) *wire {
	return &wire{conn: conn, in: bufio.NewReader(conn), out: bufio.NewWriter(conn), drip: drip, stop: stop}
}

// readLine gives a line with its line end. A line that is too long is read to
// its end and thrown away.
func (w *wire) readLine() (string, error) {
	w.conn.SetReadDeadline(time.Now().Add(patience))
	var line []byte
	for {
		part, err := w.in.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return "", err
		case len(line) > maxLine:
			return "", errLongLine
		}
		return string(line), nil
	}
}

// write sends raw text. It is flushed when the client is waiting for it: when
// nothing else of it is there to be read (RFC 2920 section 3.2).
func (w *wire) write(text string) error {
	w.conn.SetWriteDeadline(time.Now().Add(patience))
	if w.drip > 0 {
		return w.writeSlowly(text)
	}
	if _, err := w.out.WriteString(text); err != nil {
		return err
	}
	if w.in.Buffered() > 0 {
		return nil
	}
	return w.out.Flush()
}

func (w *wire) writeSlowly(text string) error {
	for i := range len(text) {
		if !w.pause(w.drip) {
			return net.ErrClosed
		}
		w.conn.SetWriteDeadline(time.Now().Add(patience))
		if _, err := w.conn.Write([]byte{text[i]}); err != nil {
			return err
		}
	}
	return nil
}

// pause waits; false when the lab ended first.
func (w *wire) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.stop:
		return false
	}
}

// writeEndlessly sends a unit again and again until nobody listens any more.
func (w *wire) writeEndlessly(unit string) {
	chunk := []byte(strings.Repeat(unit, 4096/len(unit)))
	for {
		w.conn.SetWriteDeadline(time.Now().Add(patience))
		if _, err := w.conn.Write(chunk); err != nil {
			return
		}
	}
}
