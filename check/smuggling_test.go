package check

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// oneServer is a network on which every connection leads to the same server.
type oneServer func(net.Conn)

func (s oneServer) DialContext(context.Context, string, string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	theirs, err := l.Accept()
	if err != nil {
		return nil, err
	}
	go func() {
		defer theirs.Close()
		s(theirs)
	}()
	return ours, nil
}

func (oneServer) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.New("nobody listens here")
}

// proberOf is a prober that speaks with a server of a test.
func proberOf(t *testing.T, serve func(net.Conn)) prober {
	t.Helper()
	here := world.Map{Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	a := &Audit{World: &world.World{Network: oneServer(serve), Map: here}, Options: Options{Timeout: 5 * time.Second}}
	s := newSubject(t.Context(), a, Target{Kind: Domain, Domain: mail.MustParseDomain("example.com")})
	return prober{subject: s, to: netip.MustParseAddrPort("127.0.0.1:25")}
}

// lenient is a server that ends data at any of these sequences.
type lenient struct {
	ends  []string
	after string // the reply to the end of data
}

func (l lenient) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	say := func(reply string) { io.WriteString(conn, reply+"\r\n") }
	say("220 lenient ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "DATA":
			say("354 go on")
			if l.skipData(r) != nil {
				return
			}
			say(l.after)
		case "QUIT":
			say("221 bye")
		case "EHLO", "MAIL", "RCPT", "NOOP", "RSET":
			say("250 fine")
		default:
			say("500 what?")
		}
	}
}

func (l lenient) skipData(r *bufio.Reader) error {
	data := []byte("\r\n")
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		data = append(data, c)
		if slices.ContainsFunc(l.ends, func(end string) bool { return bytes.HasSuffix(data, []byte(end)) }) {
			return nil
		}
	}
}

// Each false end of data is seen where a server falls for it, and only there.
func TestSmuggle(t *testing.T) {
	const right = "\r\n.\r\n"
	from, to := mail.Address{}, mail.MustParseAddress("postmaster@example.com")
	try := func(t *testing.T, server lenient, end string) Smuggled {
		p := &smuggler{proberOf(t, server.serve)}
		defer p.hangUp()
		var got Smuggled
		if err := p.smuggle(t.Context(), &got, from, to, end); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, end := range falseEnds {
		t.Run(end.name, func(t *testing.T) {
			for _, after := range []string{"250 taken", "550 5.6.0 bare line ends", "451 later"} {
				if got := try(t, lenient{[]string{right}, after}, end.octets); got.Ended || len(got.Replies) != 1 {
					t.Errorf("a strict server that answers %q: %+v", after, got)
				}
				if got := try(t, lenient{[]string{right, end.octets}, after}, end.octets); !got.Ended {
					t.Errorf("a lenient server that answers %q: %+v", after, got)
				}
			}
		})
	}
}

// What was not seen is unknown, even if all the rest was right.
func TestJudgeSmuggling(t *testing.T) {
	tests := []struct {
		name  string
		found Smuggling
		want  string
	}{
		{"strict", Smuggling{Tries: []Smuggled{{End: "LF . LF"}}}, "strict"},
		{"lenient", Smuggling{Tries: []Smuggled{{End: "a"}, {End: "b", Ended: true}, {End: "c", Why: errShown}}}, "smuggles"},
		{"half seen", Smuggling{Tries: []Smuggled{{End: "a"}, {End: "b", Why: errShown}}}, "no-answer"},
		{"a stranger", Smuggling{WhyNot: errNoBattery}, "needs-proof"},
		{"nobody to write to", Smuggling{NoMailbox: true}, "no-mailbox"},
		{"slow", Smuggling{Unseen: errTooSlow}, "no-answer"},
	}
	for _, tt := range tests {
		if f := judgeSmuggling(Server{}, &tt.found); f.Code != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, f.Code, tt.want)
		}
	}
}

// testCertificate is good enough for a client that does not look.
func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// What a server does with a command behind STARTTLS decides, and nothing else.
func TestInject(t *testing.T) {
	certificate := testCertificate(t)
	type server struct {
		inClear string // sent behind 220
		inTLS   string // sent as soon as TLS is up, before QUIT is read
		hangsUp bool   // instead of the handshake
		refuses bool   // 554 instead of 220
	}
	serve := func(s server) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, "220 x\r\n")
			r := bufio.NewReader(conn)
			r.ReadString('\n')
			io.WriteString(conn, "250-x\r\n250 STARTTLS\r\n")
			r.ReadString('\n')
			r.ReadString('\n') // NOOP, in the same piece
			if s.refuses {
				io.WriteString(conn, "554 SMTP synchronization error\r\n")
				return
			}
			io.WriteString(conn, "220 go\r\n"+s.inClear)
			if s.hangsUp {
				return
			}
			channel := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
			if channel.Handshake() != nil {
				return
			}
			io.WriteString(channel, s.inTLS)
			if line, _ := bufio.NewReader(channel).ReadString('\n'); line == "QUIT\r\n" {
				io.WriteString(channel, "221 bye\r\n")
			}
		}
	}
	tests := []struct {
		name   string
		server server
		want   string
	}{
		{"forgets", server{}, "forgotten"},
		{"obeys inside TLS", server{inTLS: "250 done nothing\r\n"}, "obeyed"},
		{"refuses it inside TLS, but has read it", server{inTLS: "500 what?\r\n"}, "obeyed"},
		{"obeys before TLS", server{inClear: "250 done nothing\r\n"}, "obeyed"},
		{"hangs up", server{hangsUp: true}, "forgotten"},
		{"refuses to begin", server{refuses: true}, "forgotten"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &injector{proberOf(t, serve(tt.server))}
			defer p.hangUp()
			if f := p.judge(t.Context(), Server{}); f.Code != tt.want {
				t.Errorf("%s (%s), want %s", f.Code, f.Summary, tt.want)
			}
		})
	}
}

// A server that bears nonsense is told from one that obeys it.
func TestBabble(t *testing.T) {
	answer := func(reply string, times int) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, "220 x\r\n")
			r := bufio.NewReader(conn)
			for range times {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "EHLO") {
					io.WriteString(conn, "250 x\r\n")
					continue
				}
				io.WriteString(conn, reply+"\r\n")
			}
		}
	}
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"refuses", answer("500 what?", 100), "borne"},
		{"has enough", answer("500 what?", 5), "borne"},
		{"shows the door", answer("421 enough", 100), "borne"},
		{"obeys", answer("250 whatever", 100), "obeyed"},
		{"asks for more", answer("354 go on", 100), "obeyed"},
		{"is gone", func(net.Conn) {}, "no-answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &babbler{proberOf(t, tt.serve)}
			defer b.hangUp()
			if f := b.judge(t.Context(), Server{}); f.Code != tt.want {
				t.Errorf("%s (%s), want %s", f.Code, f.Summary, tt.want)
			}
		})
	}
}
