package lab_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// A dialogue script has one step per line:
//
//	connect HOST PORT    a new conversation
//	C text               the client says text and CRLF
//	R text               the client sends text as it is, \r and \n read as such
//	S text               the server's next reply: its last line begins with text
//	arrives HOST PATH    a message for PATH comes to HOST
//	never HOST PATH      and none such has, when all hosts have nothing more to send
//	closed               the server hangs up
func TestDialogues(t *testing.T) {
	l := start(t, lab.Options{})
	for _, file := range []string{"testdata/manners.txt", "testdata/relay.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dialogue{t: t, lab: l, file: file}
		for line := range strings.Lines(string(text)) {
			d.line++
			if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
				d.step(line)
			}
		}
		d.hangUp()
	}
}

type dialogue struct {
	t    *testing.T
	lab  *lab.Lab
	file string
	line int
	conn net.Conn
	in   *bufio.Reader
}

func (d *dialogue) step(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	switch verb {
	case "connect":
		d.connect(words[0], words[1])
	case "C":
		d.send(rest + "\r\n")
	case "R":
		d.send(strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(rest))
	case "S":
		d.expect(rest)
	case "arrives":
		ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
		defer cancel()
		if _, err := d.lab.WaitForMail(ctx, fits(words[0], words[1])); err != nil {
			d.fatal("nothing arrived: %s", err)
		}
	case "never":
		d.hangUp()
		d.lab.Settled()
		if slices.ContainsFunc(d.lab.Mail(), fits(words[0], words[1])) {
			d.fatal("a message arrived")
		}
	case "closed":
		if b, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
			d.fatal("the connection is not closed: %q, %v", b, err)
		}
	default:
		d.fatal("no such step: %q", line)
	}
}

func fits(name, path string) func(host.Message) bool {
	return func(m host.Message) bool {
		return m.Host == name && slices.ContainsFunc(m.To, func(to string) bool { return strings.TrimSuffix(to, ".") == path })
	}
}

func (d *dialogue) fatal(format string, args ...any) {
	d.t.Helper()
	d.t.Fatalf(d.file+":"+strconv.Itoa(d.line)+": "+format, args...)
}

func (d *dialogue) connect(name, port string) {
	d.hangUp()
	addr, err := d.lab.Addr(name)
	if err != nil {
		d.fatal("%s", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		d.fatal("%s", err)
	}
	d.conn, err = net.Dial("tcp", net.JoinHostPort(addr.String(), itoa(d.lab.File().Ports[uint16(number)])))
	if err != nil {
		d.fatal("%s", err)
	}
	d.conn.SetDeadline(time.Now().Add(time.Minute))
	d.in = bufio.NewReader(d.conn)
}

func (d *dialogue) hangUp() {
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}

func (d *dialogue) send(text string) {
	if _, err := io.WriteString(d.conn, text); err != nil {
		d.fatal("%s", err)
	}
}

func (d *dialogue) expect(want string) {
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			d.fatal("want %q, got %s", want, err)
		}
		if len(line) > 3 && line[3] == '-' && line[0] <= '5' && line[0] >= '2' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			d.fatal("want %q, got %q", want, line)
		}
		return
	}
}
