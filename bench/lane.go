package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// lane is one connection after another of a load.
type lane struct {
	*run
	report  *Report
	source  int
	conn    net.Conn
	in      *bufio.Reader
	command []byte
}

// lostPause keeps a lane from turning in circles where nobody listens.
const lostPause = 50 * time.Millisecond

// answerTimeout is how long a lane waits for an answer (RFC 5321 section
// 4.5.3.2.6 has ten minutes for the last one; a measurement has no use for that).
const answerTimeout = time.Minute

func (r *run) lane(ctx context.Context, i int, report *Report) {
	l := &lane{run: r, report: report, source: i}
	for ctx.Err() == nil && !r.done() {
		if err := l.session(ctx); err != nil && ctx.Err() == nil {
			report.lose(err)
			pause(ctx, lostPause)
		}
	}
}

// done reports whether all messages have been given out.
func (r *run) done() bool { return r.Count > 0 && r.counts.Load() && r.next.Load() >= r.Count }

// session is one connection, from the banner to QUIT.
func (l *lane) session(ctx context.Context) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	defer l.conn.Close()
	defer context.AfterFunc(ctx, func() { l.conn.SetDeadline(time.Unix(1, 0)) })()
	if err := l.greet(); err != nil {
		return err
	}
	for range l.PerConnection {
		at, n, ok := l.take(ctx)
		if !ok {
			break
		}
		counted := l.counts.Load()
		code, err := l.send(n)
		if err != nil {
			return err
		}
		if counted {
			l.report.note(code, time.Since(at)) // elapsed
		}
	}
	_, err := l.conn.Write([]byte("QUIT\r\n"))
	l.reply()
	return err
}

func (l *lane) open(ctx context.Context) (err error) {
	if len(l.Sources) > 0 {
		l.conn, err = l.w.DialFrom(ctx, l.Sources[l.source%len(l.Sources)], l.To)
	} else {
		l.conn, err = l.w.Dial(ctx, l.To)
	}
	if err == nil && l.TLS != nil {
		l.conn = tls.Client(l.conn, l.TLS)
	}
	if err == nil {
		l.in = bufio.NewReader(l.conn)
	}
	return err
}

func (l *lane) greet() error {
	if code, err := l.reply(); err != nil || code != 220 {
		return refused("banner", code, err)
	}
	name := l.HELO
	if name == "" {
		name = "localhost"
	}
	if err := l.ask("EHLO "+name, 250); err != nil || l.StartTLS == nil {
		return err
	}
	if err := l.ask("STARTTLS", 220); err != nil {
		return err
	}
	l.conn = tls.Client(l.conn, l.StartTLS)
	l.in = bufio.NewReader(l.conn)
	return l.ask("EHLO "+name, 250)
}

func (l *lane) ask(command string, want int) error {
	if _, err := l.conn.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	if code, err := l.reply(); err != nil || code != want {
		return refused(command, code, err)
	}
	return nil
}

// take is the next message to send and when it was due.
func (l *lane) take(ctx context.Context) (time.Time, int64, bool) {
	at := time.Now() // elapsed
	if l.tickets != nil {
		select {
		case at = <-l.tickets:
		case <-ctx.Done():
			return at, 0, false
		}
	}
	n := l.next.Add(1) - 1
	over := l.Count > 0 && l.counts.Load() && n >= l.Count
	return at, n, !over && ctx.Err() == nil
}

// send carries one message over: the envelope and DATA in one flight (RFC 2920),
// then the message. It returns the code that decided.
func (l *lane) send(n int64) (int, error) {
	l.command = fmt.Appendf(l.command[:0], "MAIL FROM:%s\r\nRCPT TO:%s\r\nDATA\r\n",
		l.From.Path(), l.Recipients[int(n)%len(l.Recipients)].Path())
	if _, err := l.conn.Write(l.command); err != nil {
		return 0, err
	}
	l.conn.SetReadDeadline(time.Now().Add(answerTimeout)) // deadline
	decisive := 0
	for _, want := range []int{250, 250, 354} {
		code, err := l.reply()
		if err != nil {
			return 0, err
		}
		if decisive == 0 && code != want {
			decisive = code
		}
		if want == 354 && code == 354 && decisive != 0 {
			return decisive, l.empty()
		}
	}
	if decisive != 0 {
		return decisive, l.ask("RSET", 250)
	}
	if _, err := l.conn.Write(l.ready[int(n)%len(l.ready)]); err != nil {
		return 0, err
	}
	return l.reply()
}

// empty ends DATA where the envelope was refused and DATA was not.
func (l *lane) empty() error {
	if _, err := l.conn.Write([]byte(".\r\n")); err != nil {
		return err
	}
	_, err := l.reply()
	return err
}

var errReply = errors.New("that is no SMTP reply")

// reply reads one reply and returns its code.
func (l *lane) reply() (int, error) {
	for {
		line, err := l.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		code, err := strconv.Atoi(string(line[:min(3, len(line))]))
		if err != nil || len(line) < 4 {
			return 0, errReply
		}
		if line[3] != '-' {
			if code >= 400 {
				l.report.Said = string(bytes.TrimSpace(line))
			}
			return code, nil
		}
	}
}

func refused(what string, code int, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %d", what, code)
}

// stuffed is a message as DATA carries it, with its end (RFC 5321 section 4.5.2).
func stuffed(message []byte) []byte {
	out := bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(out, []byte(".")) {
		out = append([]byte("."), out...)
	}
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(bytes.Clone(out), "\r\n"...)
	}
	return append(bytes.Clone(out), ".\r\n"...)
}
