package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// taker is the receiving end of a dialogue, cut down to what a sender of the
// ordinary kind says. take answers for one message; the octets are its own.
type taker struct {
	name string
	take func(ctx context.Context, message []byte) (reply string)
	rcpt func(ctx context.Context) (reply string) // nil: every recipient is welcome
}

const welcome = "250 2.0.0 Ok\r\n"

// idleTimeout ends a connection that says nothing (RFC 5321 section 4.5.3.2.7).
const idleTimeout = 5 * time.Minute

// serve takes connections until the context ends, and waits for them.
func (t *taker) serve(ctx context.Context, listener net.Listener) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		wait.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			t.dialogue(ctx, conn)
		})
	}
}

// dialogue answers one client. Replies leave when there is nothing more to read:
// one packet for one flight of commands.
func (t *taker) dialogue(ctx context.Context, conn net.Conn) {
	in, out := bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 4<<10)
	out.WriteString("220 " + t.name + " ESMTP\r\n")
	var message []byte
	recipients := 0
	for {
		if in.Buffered() == 0 {
			if out.Flush() != nil {
				return
			}
			conn.SetReadDeadline(time.Now().Add(idleTimeout)) // deadline
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(string(bytes.TrimRight(line, "\r\n")), " ")
		switch strings.ToUpper(verb) {
		case "EHLO", "LHLO":
			out.WriteString("250-" + t.name + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n")
		case "MAIL", "RSET":
			recipients = 0
			out.WriteString(welcome)
		case "RCPT":
			reply := t.recipient(ctx)
			if reply == welcome {
				recipients++
			}
			out.WriteString(reply)
		case "DATA":
			if recipients == 0 {
				out.WriteString("554 5.5.1 No valid recipients\r\n")
				continue
			}
			out.WriteString("354 Go on\r\n")
			if out.Flush() != nil {
				return
			}
			if message, err = readData(in, message[:0]); err != nil {
				return
			}
			out.WriteString(t.take(ctx, message))
		case "QUIT":
			out.WriteString("221 2.0.0 Bye\r\n")
			out.Flush()
			return
		default:
			out.WriteString(welcome)
		}
	}
}

func (t *taker) recipient(ctx context.Context) string {
	if t.rcpt == nil {
		return welcome
	}
	return t.rcpt(ctx)
}

var errTooLong = errors.New("the message is too long")

// maxMessage bounds what one connection may make us hold.
const maxMessage = 64 << 20

// readData reads to the end of the data. Stuffed dots stay: nobody will read it.
func readData(in *bufio.Reader, to []byte) ([]byte, error) {
	fresh := true // at the beginning of a line
	for {
		part, err := in.ReadSlice('\n')
		if fresh && string(part) == ".\r\n" {
			return to, nil
		}
		to = append(to, part...)
		switch {
		case len(to) > maxMessage:
			return to, errTooLong
		case err == nil:
			fresh = bytes.HasSuffix(to, []byte("\r\n"))
		case errors.Is(err, bufio.ErrBufferFull):
			fresh = false
		case errors.Is(err, io.EOF):
			return to, io.ErrUnexpectedEOF
		default:
			return to, err
		}
	}
}
