package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// The rules of testdata/*.txt, dialogues played over a pipe:
//
//	S: text     the server sends the line with CRLF
//	S! "text"   the server sends exactly these octets, quoted as in Go
//	C: text     the server must read this line, ended by CRLF
//	C! "text"   the same with exactly these octets
//	wait 10s    the server waits
//	close       the server hangs up
//	> call      the client does this
//	< text      ... and gets this reply, or "error KIND", or what the call prints
//	# text      a remark
//
// The server's lines run beside the client's, each side in order.
//
// A script that begins with "server" plays a client against our own server instead,
// see serverscript_test.go.
func TestDialogues(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) < 10 {
		t.Fatalf("only %d scripts found", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play := playScript
			if strings.HasPrefix(string(text), "server") {
				play = playServerScript
			}
			synctest.Test(t, func(t *testing.T) { play(t, strings.Split(string(text), "\n")) })
		})
	}
}

func playScript(t *testing.T, lines []string) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	o := ClientOptions{Name: "client.example", Timeout: time.Minute, DataTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	var calls, plays []string
	for _, line := range lines {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case line == "lmtp":
			o.LMTP = true
		case line == "clear-auth":
			o.ClearAuth = true
		case strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "< "):
			calls = append(calls, line)
		default:
			plays = append(plays, line)
		}
	}
	go func() { done <- playServer(theirs, plays) }()
	c := NewClient(ours, o)
	if err := playClient(c, calls); err != nil {
		t.Errorf("%s\n%s", err, c.Transcript())
	}
	c.Close()
	if err := <-done; err != nil {
		t.Errorf("server: %s\n%s", err, c.Transcript())
	}
}

func playServer(conn net.Conn, plays []string) error {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, play := range plays {
		word, text, _ := strings.Cut(play, " ")
		switch word {
		case "S:":
			fmt.Fprintf(conn, "%s\r\n", text)
		case "S!":
			io.WriteString(conn, unquoted(text))
		case "C:":
			line, err := r.ReadString('\n')
			if line != text+"\r\n" {
				return fmt.Errorf("got %q (%v), want %q", line, err, text)
			}
		case "C!":
			got := make([]byte, len(unquoted(text)))
			if _, err := io.ReadFull(r, got); err != nil || string(got) != unquoted(text) {
				return fmt.Errorf("got %q (%v), want %s", got, err, text)
			}
		case "wait":
			d, err := time.ParseDuration(text)
			if err != nil {
				return err
			}
			time.Sleep(d)
		case "close":
			return nil
		default:
			return fmt.Errorf("not a line of a script: %q", play)
		}
	}
	if rest, _ := r.ReadString('\n'); rest != "" {
		return fmt.Errorf("the client said more: %q", rest)
	}
	return nil
}

func playClient(c *Client, calls []string) error {
	var got []string
	for i, call := range calls {
		if text, ok := strings.CutPrefix(call, "< "); ok {
			if len(got) == 0 || got[0] != text {
				return fmt.Errorf("line %d: got %q, want %q", i, got, text)
			}
			got = got[1:]
			continue
		}
		if len(got) > 0 {
			return fmt.Errorf("line %d: %q was not expected", i, got)
		}
		got = perform(c, strings.Fields(call[2:]))
	}
	if len(got) > 0 {
		return fmt.Errorf("%q was not expected", got)
	}
	return nil
}

// perform does one call and prints what came of it.
func perform(c *Client, call []string) []string {
	ctx := context.Background()
	arg := strings.Join(call[1:], " ")
	one := func(r mail.Reply, err error) []string {
		if err != nil {
			return append(printed(r), "error "+kindOf(err))
		}
		return printed(r)
	}
	switch call[0] {
	case "greet":
		return one(c.Greet(ctx))
	case "hello":
		return one(c.Hello(ctx))
	case "mail":
		from, err := mail.ParsePath(arg)
		if err != nil {
			return []string{err.Error()}
		}
		return one(c.Mail(ctx, from, MailOptions{}))
	case "rcpt":
		return one(c.Rcpt(ctx, mail.MustParseAddress(arg), RcptOptions{}))
	case "do":
		return one(c.Do(ctx, Command(arg)))
	case "data":
		return one(c.Data(ctx, strings.NewReader(unquoted(arg))))
	case "lmtp-data":
		replies, err := c.LMTPData(ctx, strings.NewReader(unquoted(arg)))
		return printedAll(replies, err)
	case "bdat":
		return one(c.Bdat(ctx, []byte(unquoted(arg)), false))
	case "bdat-last":
		return one(c.Bdat(ctx, []byte(unquoted(arg)), true))
	case "pipeline":
		var batch []Command
		for line := range strings.SplitSeq(arg, " | ") {
			batch = append(batch, Command(line))
		}
		replies, err := c.Pipeline(ctx, batch)
		return printedAll(replies, err)
	case "raw":
		if err := c.Raw(ctx, []byte(unquoted(arg))); err != nil {
			return []string{"error " + kindOf(err)}
		}
		return nil
	case "read":
		return one(c.ReadReply(ctx))
	case "handshake":
		if err := c.Handshake(ctx, nil); err != nil {
			return []string{"error " + kindOf(err)}
		}
		return nil
	case "starttls":
		return one(c.StartTLS(ctx, nil))
	case "auth-plain":
		return one(c.AuthPlain(ctx, call[1], call[2]))
	case "auth-login":
		return one(c.AuthLogin(ctx, call[1], call[2]))
	case "send", "send-chunks":
		return sendScript(c, call[0] == "send-chunks", arg)
	case "vrfy":
		return one(c.Vrfy(ctx, arg))
	case "help":
		return one(c.Help(ctx, arg))
	case "quit":
		return one(c.Quit(ctx))
	case "extensions":
		return []string{strings.Join(c.Extensions().Keywords(), " ")}
	case "faults":
		return []string{fmt.Sprint(c.Faults())}
	case "transcript":
		return c.Transcript().Evidence()
	}
	return []string{"unknown call " + call[0]}
}

// sendScript is Send from a@a.example: the recipients, then the quoted message.
func sendScript(c *Client, chunks bool, arg string) []string {
	to, text, _ := strings.Cut(arg, " ")
	e := Envelope{From: mail.MustParseAddress("a@a.example"), Chunks: chunks}
	for address := range strings.SplitSeq(to, ",") {
		e.To = append(e.To, Recipient{Address: mail.MustParseAddress(address)})
	}
	fates, err := c.Send(context.Background(), e, strings.NewReader(unquoted(text)))
	var all []string
	for _, f := range fates {
		all = append(all, strings.TrimSpace(f.At+": "+f.Reply.String()))
	}
	if err != nil {
		all = append(all, "error "+kindOf(err))
	}
	return all
}

func printed(r mail.Reply) []string {
	if r.IsZero() {
		return nil
	}
	return []string{printable(r.String(), 500)}
}

func printedAll(replies []mail.Reply, err error) []string {
	var all []string
	for _, r := range replies {
		all = slices.Concat(all, printed(r))
	}
	if err != nil {
		all = append(all, "error "+kindOf(err))
	}
	return all
}

func unquoted(s string) string {
	u, err := strconv.Unquote(s)
	if err != nil {
		panic(fmt.Sprintf("%s: %s", s, err))
	}
	return u
}

func kindOf(err error) string {
	for _, kind := range []struct {
		name string
		err  error
	}{
		{"limit", ErrLimit}, {"protocol", ErrProtocol}, {"timeout", ErrTimeout}, {"body", ErrBody},
		{"closed", ErrClosed}, {"injection", ErrInjection}, {"tls", ErrTLS}, {"command", ErrCommand},
	} {
		if errors.Is(err, kind.err) {
			return kind.name
		}
	}
	return err.Error()
}
