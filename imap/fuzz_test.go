package imap

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
)

// FuzzDialogue says anything to a session that is logged in, and wants it to answer and
// to end, without a panic. Every line that goes out is a response.
func FuzzDialogue(f *testing.F) {
	for _, seed := range []string{
		"a SELECT INBOX\r\nb STORE 1:* +FLAGS (\\Seen x)\r\nc EXPUNGE\r\nd LOGOUT\r\n",
		"a APPEND INBOX (\\Seen) {5+}\r\nhello\r\nb SELECT INBOX (CONDSTORE)\r\nc UID COPY 1:* Sent\r\nd UID MOVE * Trash\r\n",
		"a ENABLE QRESYNC IMAP4rev2\r\nb SELECT INBOX (QRESYNC (1793620800 1 1:9 (1,2 1,2)))\r\nc IDLE\r\nDONE\r\nd CLOSE\r\n",
		"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (* %) RETURN (STATUS (DELETED SIZE))\r\nb LSUB \"\" *\r\nc CREATE a/&AOk-\r\nd RENAME a b\r\ne DELETE b/&AOk-\r\n",
		"a COMPRESS DEFLATE\r\n", "a GETQUOTAROOT x\r\nb SETQUOTA x ()\r\nc NAMESPACE\r\nd ID NIL\r\n",
		"a SELECT INBOX\r\nb FETCH 1:* (FLAGS BODY[] ENVELOPE)\r\nc SEARCH RETURN (SAVE) ALL\r\nd SORT (DATE) UTF-8 ALL\r\ne UID THREAD REFERENCES UTF-8 ALL\r\nf FETCH $ BODYSTRUCTURE\r\n",
		"a LOGIN {3}\r\nabc {3}\r\nabc\r\n", "a APPEND x {99999999999+}\r\n", "\n", "a \x00\r\n",
	} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	h.options.ImplicitTLS, h.options.MaxErrors = false, 1000
	h.deliver("anna", "Subject: first\r\n\r\nhello\r\n")
	h.deliver("anna", "Subject: second\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n")
	server := NewServer(h.options)
	who := account.Principal{Kind: account.Login, Name: "anna@example.com", Account: account.ID(h.account("anna")), Owner: 1}
	f.Fuzz(func(t *testing.T, said []byte) {
		out := converse(t, server, who, said)
		if n := server.Stats().Panics; n > 0 {
			t.Fatalf("a panic after %q", said)
		}
		if !bytes.HasPrefix(out, []byte("* OK ")) || !bytes.HasSuffix(out, []byte("\r\n")) && !strings.Contains(strings.ToUpper(string(said)), "COMPRESS") {
			t.Fatalf("%q was answered %q", said, out)
		}
	})
}

// converse says all of it and gives all that was answered.
func converse(t testing.TB, server *Server, who account.Principal, said []byte) []byte {
	c := &tape{said: bytes.NewReader(said)}
	s := newSession(server, c)
	s.who = who
	s.settle()
	s.Run(t.Context())
	return c.answered.Bytes()
}

// tape is a connection over which all was said already.
type tape struct {
	said     *bytes.Reader
	answered bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.said.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.answered.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
