package queue

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Limits of a transcript: its beginning and its end are kept.
const (
	maxTranscript   = 64 << 10
	transcriptHead  = 16 << 10
	compressBeyond  = 512
	plainTranscript = 0 // first octet of the column
	flateTranscript = 1
)

func rememberAttempt(tx *store.Tx, job int64, at time.Time, transcript string) error {
	_, err := tx.Exec(`INSERT INTO queue_attempt (job, at, transcript) VALUES ($1, $2, $3)
		ON CONFLICT (job) DO UPDATE SET at = excluded.at, transcript = excluded.transcript`,
		job, store.Micros(at), packTranscript(transcript))
	return err
}

func forgetAttempts(tx *store.Tx, jobs []int64) error {
	if len(jobs) == 0 {
		return nil
	}
	args := padded(jobs)
	_, err := tx.Exec(`DELETE FROM queue_attempt WHERE job IN (`+placeholders(1, len(args))+`)`, args...)
	return err
}

func packTranscript(s string) []byte {
	if len(s) > maxTranscript {
		head := clip(s, transcriptHead)
		tail := s[len(s)-(maxTranscript-transcriptHead):]
		if i := strings.IndexByte(tail, '\n'); i >= 0 {
			tail = tail[i+1:]
		}
		s = fmt.Sprintf("%s\n*: %d octets left out\n%s", head, len(s)-len(head)-len(tail), tail)
	}
	if len(s) <= compressBeyond {
		return append([]byte{plainTranscript}, s...)
	}
	out := bytes.NewBuffer([]byte{flateTranscript})
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	io.WriteString(w, s) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

var errTranscript = errors.New("the stored transcript cannot be read")

func unpackTranscript(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	if b[0] == plainTranscript {
		return string(b[1:]), nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b[1:])), 2*maxTranscript))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTranscript, err)
	}
	return string(text), nil
}
