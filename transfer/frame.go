package transfer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Messages travel between a command and the server as frames: a line of JSON, then as
// many octets as it says.

// ErrFrame says that what came is no frame, or half of one.
var ErrFrame = errors.New("not a message in transfer")

// maxFrameLine bounds the line of JSON.
const maxFrameLine = 64 << 10

// WriteFrame writes one message.
func WriteFrame(w io.Writer, m Message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	n, err := io.Copy(w, m.Body)
	if err == nil && n != m.Size {
		err = fmt.Errorf("%w: message %s has %d octets, not %d", ErrFrame, m.Key, n, m.Size)
	}
	return err
}

// ReadFrames hands over each message of a stream; what take leaves of a body is
// passed over.
func ReadFrames(r io.Reader, take func(Message) error) error {
	in := bufio.NewReaderSize(r, maxFrameLine)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFrame, err)
		}
		var m Message
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("%w: %w", ErrFrame, err)
		}
		body := &io.LimitedReader{R: in, N: m.Size}
		m.Body = body
		if err := take(m); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if body.N > 0 {
			return fmt.Errorf("%w: message %s ends early", ErrFrame, m.Key)
		}
	}
}
