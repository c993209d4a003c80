package imap

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// The rules of scripts:
//
//	server words  the options: starttls, plain, quota=BYTES, messages=N, errors=N, limit=N
//	client NAME   goes on as this client, who connects if need be
//	login NAME    the client logs in
//	select NAME   the client selects a folder, and reads what is said of it
//	C: text       the client sends the line with CRLF; $plain(NAME) is a response of
//	              AUTH=PLAIN, $password(NAME) and $user(NAME) are what LOGIN wants
//	C! "text"     the client sends exactly these octets, quoted as in Go
//	S: text       the client must read this line, ended by CRLF; … is anything
//	S* text       the client must read lines until one is this
//	tls           the client shakes hands
//	deflate       the client compresses
//	deliver NAME "text"  a message comes from elsewhere
//	seal NAME FOLDER     the folder takes nothing in from now on
//	shutdown      the server is told to stop
//	closed        the server must have closed, and said nothing more

// patience is how long a line may take to come: as long as nothing is wrong with a busy
// machine.
const patience = time.Minute

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, strings.Split(strings.TrimSpace(string(text)), "\n"))
		})
	}
}

// script is a play with several clients.
type script struct {
	*house
	server  *Server
	addr    netip.AddrPort
	clients map[string]*scriptClient
	*scriptClient
}

type scriptClient struct {
	conn net.Conn
	w    io.Writer
	r    *bufio.Reader
}

func play(t *testing.T, lines []string) {
	s := &script{house: newHouse(t), clients: map[string]*scriptClient{}}
	s.setUp(strings.Fields(lines[0])[1:])
	s.server, s.addr = s.serve()
	s.connect("first")
	for i, line := range lines[1:] {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.play(line); err != nil {
			t.Fatalf("line %d: %s\n%s", i+2, line, err)
		}
	}
}

func (s *script) setUp(words []string) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "starttls":
			s.options.ImplicitTLS = false
		case "plain":
			s.options.ImplicitTLS, s.options.TLS = false, nil
		case "errors":
			s.options.MaxErrors = n
		case "limit":
			s.options.MaxMessage = int64(n)
		case "sessions":
			s.options.MaxPerAccount = n
		case "quota", "messages":
			id := s.account("anna")
			q := mailbox.Quota{Bytes: int64(n)}
			if name == "messages" {
				q = mailbox.Quota{Messages: int64(n)}
			}
			s.write(func(tx *store.Tx) error { return mailbox.SetQuota(tx, id, q) })
		default:
			s.t.Fatalf("unknown option %q", word)
		}
	}
}

// connect goes on as a client.
func (s *script) connect(name string) {
	if s.scriptClient = s.clients[name]; s.scriptClient != nil {
		return
	}
	conn, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.scriptClient = &scriptClient{}
	s.clients[name] = s.scriptClient
	s.use(conn)
	if s.options.ImplicitTLS {
		s.use(tls.Client(conn, s.clientTLS()))
	}
}

func (c *scriptClient) use(conn net.Conn) { c.conn, c.w, c.r = conn, conn, bufio.NewReader(conn) }

func (s *script) play(line string) error {
	word, text, _ := strings.Cut(line, " ")
	s.conn.SetDeadline(time.Now().Add(patience))
	switch word {
	case "C:":
		_, err := io.WriteString(s.w, s.expand(text)+"\r\n")
		return err
	case "C!":
		octets, err := strconv.Unquote(text)
		if err == nil {
			_, err = io.WriteString(s.w, octets)
		}
		return err
	case "S:":
		return s.hears(text)
	case "S*":
		for {
			got, err := s.r.ReadString('\n')
			if err != nil || like(text+"\r\n", got) {
				return err
			}
		}
	case "client":
		s.connect(text)
	case "tls":
		s.use(tls.Client(s.conn, s.clientTLS()))
		return s.conn.(*tls.Conn).HandshakeContext(s.t.Context())
	case "deflate":
		w, err := flate.NewWriter(s.conn, flate.DefaultCompression)
		s.w, s.r = flushed{w}, bufio.NewReader(flate.NewReader(s.r))
		return err
	case "shutdown":
		go s.server.Shutdown(s.t.Context())
	case "closed":
		if rest, err := io.ReadAll(s.r); len(rest) > 0 || err != nil {
			return fmt.Errorf("the server said more: %q, %v", rest, err)
		}
	default:
		return s.prepare(word, text)
	}
	return nil
}

// flushed sends each write at once.
type flushed struct{ w *flate.Writer }

func (f flushed) Write(octets []byte) (int, error) {
	n, err := f.w.Write(octets)
	if err == nil {
		err = f.w.Flush()
	}
	return n, err
}

// prepare is what is not about lines.
func (s *script) prepare(word, text string) error {
	name, rest, _ := strings.Cut(text, " ")
	switch word {
	case "login":
		user, password := s.login(name)
		if err := s.hears("* OK [CAPABILITY …] …"); err != nil {
			return err
		}
		fmt.Fprintf(s.w, "login LOGIN %s \"%s\"\r\n", user, password)
		return s.hears("login OK [CAPABILITY …] welcome")
	case "select":
		fmt.Fprintf(s.w, "select SELECT %s\r\n", text)
		return s.play("S* select OK [READ-WRITE] SELECT done")
	case "deliver":
		message, err := strconv.Unquote(rest)
		s.deliver(name, message)
		return err
	case "seal":
		id := s.account(name)
		s.write(func(tx *store.Tx) error {
			_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: id, Name: rest, Sealed: true, Uncounted: true})
			return err
		})
		return nil
	}
	return fmt.Errorf("this is no line of a script")
}

// expand puts secrets in.
func (s *script) expand(text string) string {
	for _, name := range []string{"anna", "ben"} {
		if !strings.Contains(text, "("+name+")") {
			continue
		}
		user, password := s.login(name)
		text = strings.NewReplacer("$user("+name+")", user, "$password("+name+")", password,
			"$plain("+name+")", base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))).Replace(text)
	}
	return text
}

func (s *script) hears(text string) error {
	got, err := s.r.ReadString('\n')
	if !like(text+"\r\n", got) {
		return fmt.Errorf("got  %q (%v)\nwant %q", got, err, text)
	}
	return nil
}

// like reports whether a line is the one wanted, where … stands for anything.
func like(want, got string) bool {
	parts := strings.Split(want, "…")
	for i, p := range parts {
		at := strings.Index(got, p)
		switch {
		case i == len(parts)-1:
			return strings.HasSuffix(got, p) && (i > 0 || got == p)
		case at < 0, i == 0 && at != 0:
			return false
		}
		got = got[at+len(p):]
	}
	return false
}
