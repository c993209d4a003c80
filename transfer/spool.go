package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
)

// inMemory is how much of a message stays in memory; more goes into a file.
const inMemory = 4 << 20

// spool holds one message with CRLF lines, so that its size is known before it is
// sent on. The zero value is ready; it is used again for the next message.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
}

// fill reads a message to its end. A line end that is LF alone becomes CRLF; a CR
// elsewhere stays what it was.
func (s *spool) fill(r *bufio.Reader) error {
	s.reset()
	last := byte(0)
	for {
		line, err := r.ReadSlice('\n')
		if err := s.writeLine(line, last); err != nil {
			return err
		}
		if n := len(line); n > 0 {
			last = line[n-1]
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// writeLine writes a line or a part of one; last is the octet before it.
func (s *spool) writeLine(line []byte, last byte) error {
	n := len(line)
	if n == 0 || line[n-1] != '\n' || n > 1 && line[n-2] == '\r' || n == 1 && last == '\r' {
		return s.write(line)
	}
	if err := s.write(line[:n-1]); err != nil {
		return err
	}
	return s.write([]byte("\r\n"))
}

func (s *spool) write(p []byte) (err error) {
	s.size += int64(len(p))
	if s.file == nil && s.size > inMemory {
		if s.file, err = os.CreateTemp("", "allgreen-transfer-"); err != nil {
			return err
		}
		if _, err = s.file.Write(s.memory.Bytes()); err != nil {
			return err
		}
		s.memory.Reset()
	}
	if s.file != nil {
		_, err = s.file.Write(p)
		return err
	}
	s.memory.Write(p)
	return nil
}

// open reads what was filled in from its beginning.
func (s *spool) open() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

func (s *spool) reset() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
	s.memory.Reset()
	s.size = 0
}
