package host

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// session is one conversation of a mail server.
type session struct {
	*server
	*wire
	ctx    context.Context
	port   uint16
	remote string

	tls   bool
	login string
	helo  string
	esmtp bool
	envelope
	faults int // commands that were refused as nonsense
}

// envelope is one mail transaction.
type envelope struct {
	begun    bool // MAIL was accepted
	from     string
	to       []string
	hasLocal bool
	lost     bool
	relays   []target
	chunks   []byte // of BDAT
}

// tooManyFaults ends a conversation with someone who does not speak SMTP.
const tooManyFaults = 20

func (s *server) converse(ctx context.Context, conn net.Conn, port uint16) {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	c := &session{
		server: s, wire: newWire(conn, s.mail.Character.Drip, ctx.Done()),
		ctx: ctx, port: port, remote: remote.Addr().String(),
	}
	if port == 465 && c.startTLS(nil) != nil {
		return
	}
	if c.greet() {
		c.obey()
	}
	c.out.Flush()
}

// greet says hello; false when the conversation ends with that.
func (s *session) greet() bool {
	ch := s.mail.Character
	if ch.GreetingDelay > 0 && !s.pause(ch.GreetingDelay) {
		return false
	}
	switch ch.Endless {
	case OneLine:
		s.write("220 ")
		s.writeEndlessly("endless ")
		return false
	case ManyLines:
		s.writeEndlessly("220-and there is more to say\r\n")
		return false
	}
	text := "220 {name} ESMTP"
	if ch.Greeting != "" {
		text = ch.Greeting
	}
	if s.write(strings.ReplaceAll(text, "{name}", s.mail.says())+"\r\n") != nil {
		return false
	}
	return strings.HasPrefix(text, "2")
}

// obey takes commands until one of them ends the conversation.
func (s *session) obey() {
	for {
		line, err := s.readLine()
		if err != nil && !errors.Is(err, errLongLine) {
			return
		}
		command, complete := strings.CutSuffix(line, "\r\n")
		switch {
		case err != nil:
			err = s.nonsense("500 5.5.2 Line too long")
		case !complete || strings.ContainsAny(command, "\r\n\x00"):
			err = s.nonsense("500 5.5.2 A line ends with CRLF")
		default:
			err = s.command(command)
		}
		if err != nil {
			return
		}
	}
}

func (s *session) reply(text string) error {
	return s.write(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")
}

// nonsense answers a command that is none, and loses patience at some point.
func (s *session) nonsense(text string) error {
	s.faults++
	if s.faults > tooManyFaults {
		s.reply("421 4.7.0 Too many errors")
		return io.EOF
	}
	return s.reply(text)
}

// command answers one command. An error ends the conversation.
func (s *session) command(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	verb, arg = strings.ToUpper(verb), strings.TrimSpace(arg)
	if canned, ok := s.mail.Character.Replies[verb]; ok {
		if verb == "HELO" || verb == "EHLO" {
			s.helo, s.envelope = arg, envelope{}
		}
		return s.reply(strings.ReplaceAll(canned, "{name}", s.mail.says()))
	}
	switch verb {
	case "HELO", "EHLO":
		return s.hello(verb, arg)
	case "STARTTLS":
		return s.offerTLS(arg)
	case "AUTH":
		return s.authenticate(arg)
	case "MAIL":
		return s.mailFrom(arg)
	case "RCPT":
		return s.rcptTo(arg)
	case "DATA":
		return s.data(arg)
	case "BDAT":
		return s.bdat(arg)
	case "RSET":
		s.envelope = envelope{}
		return s.reply("250 2.0.0 Forgotten")
	case "NOOP":
		return s.reply("250 2.0.0 Done nothing")
	case "VRFY":
		return s.reply("252 2.5.0 Send some mail and see")
	case "EXPN", "ETRN", "TURN":
		return s.reply("502 5.5.1 Not here")
	case "HELP":
		return s.reply("214 2.0.0 See RFC 5321")
	case "QUIT":
		s.reply("221 2.0.0 Goodbye")
		return io.EOF
	}
	return s.nonsense("500 5.5.1 Unknown command")
}

func (s *session) hello(verb, name string) error {
	if name == "" {
		return s.nonsense("501 5.5.4 Who are you?")
	}
	s.helo, s.esmtp, s.envelope = name, verb == "EHLO", envelope{}
	if verb == "HELO" {
		return s.reply("250 " + s.mail.says())
	}
	lines := append([]string{s.mail.says() + " sees you at [" + s.remote + "]"}, s.extensions()...)
	var b strings.Builder
	for i, line := range lines {
		sign := "-"
		if i == len(lines)-1 {
			sign = " "
		}
		b.WriteString("250" + sign + line + "\r\n")
	}
	return s.write(b.String())
}

// maxSize is the largest message taken, in octets.
const maxSize = 52428800

func (s *session) extensions() []string {
	ch := s.mail.Character
	all := []string{
		"PIPELINING", fmt.Sprintf("SIZE %d", maxSize), "8BITMIME", "ENHANCEDSTATUSCODES",
		"SMTPUTF8", "CHUNKING", "DSN",
	}
	if !s.tls && !s.mail.tlsOn(s.port).Missing {
		all = append(all, "STARTTLS")
	}
	if s.mayLogIn() {
		all = append(all, "AUTH PLAIN LOGIN")
	}
	var offered []string
	for _, line := range append(all, ch.With...) {
		if !hasKeyword(ch.Without, line) {
			offered = append(offered, line)
		}
	}
	return offered
}

func hasKeyword(keywords []string, line string) bool {
	first, _, _ := strings.Cut(line, " ")
	for _, k := range keywords {
		if strings.EqualFold(k, first) {
			return true
		}
	}
	return false
}

// mayLogIn: on the submission ports inside TLS (RFC 8314 section 3.3), elsewhere
// only where that is the defect.
func (s *session) mayLogIn() bool {
	return s.port != 25 && s.tls || s.mail.Character.AuthInClear
}

func (s *session) offerTLS(arg string) error {
	t := s.mail.tlsOn(s.port)
	switch {
	case t.Missing:
		return s.nonsense("502 5.5.1 Not here")
	case s.tls:
		return s.reply("503 5.5.1 TLS is up already")
	case arg != "":
		return s.nonsense("501 5.5.4 STARTTLS takes no argument")
	case t.Refused:
		return s.reply("454 4.7.0 TLS not available")
	}
	var injected []byte
	if n := s.in.Buffered(); n > 0 {
		// What stands behind STARTTLS came in clear, from anybody: RFC 3207 section
		// 4.2 wants it forgotten.
		injected = make([]byte, n)
		io.ReadFull(s.in, injected)
		if !t.Injectable {
			injected = nil
		}
	}
	if err := s.reply("220 2.0.0 Go ahead"); err != nil {
		return err
	}
	switch {
	case t.Garbage:
		s.write("this is not TLS at all, is it?\r\n")
		return io.EOF
	case t.HangsUp:
		return io.EOF
	}
	return s.startTLS(injected)
}

// startTLS shakes hands and begins again, with what was injected as the first
// thing read.
func (s *session) startTLS(injected []byte) error {
	config, err := tlsConfig(s.town.CA, s.mail.tlsOn(s.port), s.mail.Name)
	if err != nil {
		return err
	}
	conn := tls.Server(s.conn, config)
	if err := conn.HandshakeContext(s.ctx); err != nil {
		return err
	}
	s.wire = newWire(conn, s.drip, s.stop)
	if len(injected) > 0 {
		s.in.Reset(io.MultiReader(strings.NewReader(string(injected)), conn))
		s.in.Peek(1) // so that it counts as buffered
	}
	s.tls, s.helo, s.login, s.envelope = true, "", "", envelope{}
	if len(injected) > 0 {
		s.helo = "injected"
	}
	return nil
}

func (s *session) authenticate(arg string) error {
	switch {
	case !s.mayLogIn():
		return s.reply("538 5.7.11 Encryption required for requested authentication mechanism")
	case s.login != "":
		return s.reply("503 5.5.1 You are known already")
	case s.helo == "":
		return s.reply("503 5.5.1 EHLO first")
	}
	mechanism, initial, _ := strings.Cut(arg, " ")
	user, password, err := s.credentials(strings.ToUpper(mechanism), initial)
	switch {
	case errors.Is(err, errMechanism):
		return s.reply("504 5.5.4 Unknown mechanism")
	case errors.Is(err, errNoBase64):
		return s.nonsense("501 5.5.2 That is no base64")
	case err != nil:
		return err
	}
	local, domain, _ := strings.Cut(user, "@")
	if !s.mail.knows(local) || password != Password || !s.isLocalOrNone(domain) {
		return s.reply("535 5.7.8 Wrong name or password")
	}
	s.login = local
	return s.reply("235 2.7.0 Welcome")
}

var (
	errMechanism = errors.New("unknown mechanism")
	errNoBase64  = errors.New("not base64")
)

func (s *session) credentials(mechanism, initial string) (user, password string, err error) {
	switch mechanism {
	case "PLAIN":
		text, err := s.challenge("", initial)
		if err != nil {
			return "", "", err
		}
		parts := strings.Split(text, "\x00")
		if len(parts) != 3 {
			return "", "", errNoBase64
		}
		return parts[1], parts[2], nil
	case "LOGIN":
		if user, err = s.challenge("Username:", initial); err != nil {
			return "", "", err
		}
		password, err = s.challenge("Password:", "")
		return user, password, err
	}
	return "", "", errMechanism
}

// challenge asks for one response, unless it came with the command.
func (s *session) challenge(prompt, initial string) (string, error) {
	if initial == "" {
		if err := s.reply("334 " + base64.StdEncoding.EncodeToString([]byte(prompt))); err != nil {
			return "", err
		}
		line, err := s.readLine()
		if err != nil {
			return "", err
		}
		initial = strings.TrimRight(line, "\r\n")
	}
	raw, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		return "", errNoBase64
	}
	return string(raw), nil
}
