package receive_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// The rules of testdata/*.txt, dialogues with a whole server over a pipe:
//
//	option strict|greylist|lmtp|max N    before anything else
//	from 192.0.2.1                       a new connection; its banner is read
//	C: text                              the client sends the line with CRLF
//	S: 250 words in it                   ... and gets this code, and each of the words somewhere in the reply
//	hangs up                             the client does
//	dns down, dns up                     names cannot be looked up, and can again
//	wait 2m                              the clock moves
//	quota anna 1000                      octets
//	box anna inbox 2                     how many messages are there
//	has text, has not text               of the newest message in the box named last
//	queue 1 from words                   how many messages wait, and what is in the last one's envelope
//	journal words                        an event whose kind and reason are these
//	# text                               a remark
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, string(text))
		})
	}
}

// player plays one script.
type player struct {
	t    *testing.T
	h    *house
	conn net.Conn
	in   *bufio.Reader
	quit bool     // it was the last command
	last []string // the box named last
}

func play(t *testing.T, text string) {
	p := &player{t: t}
	var options []string
	for i, line := range strings.Split(text, "\n") {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
		switch verb {
		case "", "#":
			continue
		case "option":
			options = append(options, rest)
			continue
		}
		if p.h == nil {
			p.open(options)
		}
		if err := p.step(verb, rest); err != nil {
			t.Fatalf("line %d: %s\n%s", i+1, line, err)
		}
	}
	if p.conn != nil {
		p.conn.Close()
	}
}

func (p *player) open(options []string) {
	var server smtp.ServerOptions
	p.h = newHouse(p.t, storetest.Open(p.t, schemas...), func(o *receive.Options) {
		for _, option := range options {
			word, value, _ := strings.Cut(option, " ")
			switch word {
			case "strict":
				o.Strict = true
			case "greylist":
				o.Greylist = true
			case "lmtp":
				server.LMTP = true
			case "max":
				o.MaxSize, _ = strconv.ParseInt(value, 10, 64)
			default:
				p.t.Fatalf("no option %q", option)
			}
		}
		server.LMTP = server.LMTP || slices.Contains(options, "lmtp")
	}, smtp.ServerOptions{LMTP: slices.Contains(options, "lmtp")})
}

func (p *player) step(verb, rest string) error {
	words := strings.Fields(rest)
	switch verb {
	case "from":
		if p.conn != nil {
			p.conn.Close()
		}
		p.conn = p.h.dial(rest)
		p.in = bufio.NewReader(p.conn)
		return p.expect("220")
	case "C:":
		p.quit = rest == "QUIT"
		p.conn.SetDeadline(time.Now().Add(time.Minute))
		_, err := p.conn.Write([]byte(rest + "\r\n"))
		return err
	case "S:":
		return p.expect(rest)
	case "hangs":
		return p.conn.Close()
	case "dns":
		p.h.zone.setDown(rest == "down")
	case "wait":
		d, err := time.ParseDuration(rest)
		p.h.clock.move(d)
		return err
	case "quota":
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return err
		}
		return p.h.store.Write(context.Background(), func(tx *store.Tx) error {
			return mailbox.SetQuota(tx, int64(accounts[words[0]]), mailbox.Quota{Bytes: n})
		})
	case "box":
		p.last = p.h.box(words[0], mailbox.Role(words[1]))
		if strconv.Itoa(len(p.last)) != words[2] {
			return fmt.Errorf("%d messages: %q", len(p.last), p.last)
		}
	case "has":
		want, not := strings.CutPrefix(rest, "not ")
		if strings.Contains(p.last[len(p.last)-1], want) == not {
			return fmt.Errorf("the message is\n%s", p.last[len(p.last)-1])
		}
	case "queue":
		return p.queue(words)
	case "journal":
		if p.quit { // refusals are written down when the session ends, and then the server hangs up
			_, _ = io.Copy(io.Discard, p.in)
		}
		if all := p.h.events(); !slices.Contains(all, rest) {
			return fmt.Errorf("the journal has %q", all)
		}
	default:
		return fmt.Errorf("no such line")
	}
	return nil
}

// expect reads a reply.
func (p *player) expect(want string) error {
	p.conn.SetDeadline(time.Now().Add(time.Minute))
	var reply []string
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("got %q and %w", reply, err)
		}
		reply = append(reply, strings.TrimSpace(line))
		if len(line) < 4 || line[3] != '-' {
			break
		}
	}
	text := strings.Join(reply, " ")
	code, words, _ := strings.Cut(want, " ")
	if !strings.HasPrefix(text, code) {
		return fmt.Errorf("got %s", text)
	}
	for word := range strings.FieldsSeq(words) {
		if !strings.Contains(text, word) {
			return fmt.Errorf("got %s, without %s", text, word)
		}
	}
	return nil
}

func (p *player) queue(words []string) error {
	jobs := p.h.queued()
	if strconv.Itoa(len(jobs)) != words[0] {
		return fmt.Errorf("%d jobs: %+v", len(jobs), jobs)
	}
	for _, word := range words[1:] {
		if last := fmt.Sprintf("%+v", jobs[len(jobs)-1]); !strings.Contains(last, word) {
			return fmt.Errorf("no %s in %s", word, last)
		}
	}
	return nil
}
