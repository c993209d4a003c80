package host

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/lab/ca"
)

// Access is the server of people's mail programs: IMAP and POP3 as far as one
// needs to see what they offer. Logins work only inside TLS.
type Access struct {
	Name        string
	Addr        netip.Addr
	Certificate ca.Quality
	InClear     bool // offers logins without TLS
}

// Serve answers on listeners until the context ends; the keys are the ports of the
// lab's world: 143, 993, 110 or 995.
func (a *Access) Serve(ctx context.Context, town *Town, listeners map[uint16]net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	for port, l := range listeners {
		all.Go(func() {
			serve(ctx, l, func(conn net.Conn) {
				config, err := tlsConfig(town.CA, TLS{Certificate: a.Certificate}, a.Name)
				if err != nil {
					return
				}
				v := visit{access: a, wire: newWire(conn, 0, ctx.Done()), config: config, ctx: ctx}
				v.converse(port)
			})
		})
	}
}

// visit is one connection of a mail program.
type visit struct {
	access *Access
	*wire
	config *tls.Config
	ctx    context.Context
	tls    bool
}

func (v *visit) converse(port uint16) {
	if (port == 993 || port == 995) && v.startTLS() != nil {
		return
	}
	greeting, answer := "* OK [CAPABILITY "+v.imapCapability()+"] "+v.access.Name+" ready", v.imap
	if port == 110 || port == 995 {
		greeting, answer = "+OK "+v.access.Name+" ready", v.pop3
	}
	if v.write(greeting+"\r\n") != nil {
		return
	}
	for {
		line, err := v.readLine()
		if err != nil {
			return
		}
		if !answer(strings.TrimRight(line, "\r\n")) {
			v.out.Flush()
			return
		}
	}
}

func (v *visit) startTLS() error {
	conn := tls.Server(v.conn, v.config)
	if err := conn.HandshakeContext(v.ctx); err != nil {
		return err
	}
	v.wire, v.tls = newWire(conn, 0, v.stop), true
	return nil
}

func (v *visit) imapCapability() string {
	switch {
	case v.tls:
		return "IMAP4rev1 AUTH=PLAIN"
	case v.access.InClear:
		return "IMAP4rev1 STARTTLS AUTH=PLAIN"
	}
	return "IMAP4rev1 STARTTLS LOGINDISABLED"
}

// imap answers one line of IMAP (RFC 9051); false ends the conversation.
func (v *visit) imap(line string) bool {
	tag, rest, _ := strings.Cut(line, " ")
	command, args, _ := strings.Cut(rest, " ")
	switch strings.ToUpper(command) {
	case "CAPABILITY":
		return v.write("* CAPABILITY "+v.imapCapability()+"\r\n"+tag+" OK done\r\n") == nil
	case "NOOP":
		return v.write(tag+" OK nothing\r\n") == nil
	case "LOGOUT":
		v.write("* BYE goodbye\r\n" + tag + " OK done\r\n")
		return false
	case "STARTTLS":
		if v.tls {
			return v.write(tag+" BAD TLS is up already\r\n") == nil
		}
		return v.write(tag+" OK go ahead\r\n") == nil && v.startTLS() == nil
	case "LOGIN":
		return v.write(tag+v.imapLogin(args)) == nil
	}
	return v.write(tag+" BAD unknown command\r\n") == nil
}

func (v *visit) imapLogin(args string) string {
	words := strings.Fields(strings.ReplaceAll(args, `"`, ""))
	switch {
	case !v.tls && !v.access.InClear:
		return " NO [PRIVACYREQUIRED] not without TLS\r\n"
	case len(words) == 2 && words[1] == Password:
		return " OK welcome\r\n"
	}
	return " NO [AUTHENTICATIONFAILED] wrong name or password\r\n"
}

// pop3 answers one line of POP3 (RFC 1939); false ends the conversation.
func (v *visit) pop3(line string) bool {
	command, args, _ := strings.Cut(line, " ")
	switch strings.ToUpper(command) {
	case "CAPA":
		offer := "STLS\r\n"
		if v.tls {
			offer = "USER\r\n"
		} else if v.access.InClear {
			offer = "STLS\r\nUSER\r\n"
		}
		return v.write("+OK\r\n"+offer+"UIDL\r\n.\r\n") == nil
	case "STLS":
		if v.tls {
			return v.write("-ERR TLS is up already\r\n") == nil
		}
		return v.write("+OK go ahead\r\n") == nil && v.startTLS() == nil
	case "USER":
		if !v.tls && !v.access.InClear {
			return v.write("-ERR not without TLS\r\n") == nil
		}
		return v.write("+OK and the password?\r\n") == nil
	case "PASS":
		if args == Password && (v.tls || v.access.InClear) {
			return v.write("+OK welcome\r\n") == nil
		}
		return v.write("-ERR wrong name or password\r\n") == nil
	case "QUIT":
		v.write("+OK goodbye\r\n")
		return false
	}
	return v.write("-ERR unknown command\r\n") == nil
}
