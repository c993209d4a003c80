package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/web"
)

// speakSMTP is sendmail -bs: SMTP on standard input and output, each message handed
// in over the socket.
func speakSMTP(ctx context.Context, f sendFlags, common commonFlags, io streams) error {
	server := smtp.NewServer(smtp.ServerOptions{
		Name: mail.MustParseDomain("localhost"), Normalize: true,
		Open: func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) {
			return &pipeSession{flags: f, common: common}, mail.Reply{}
		},
	})
	l := &oneConn{conn: &pipeConn{in: io.in, out: io.out, over: make(chan struct{})}}
	if err := server.Serve(ctx, l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // the end of the only connection
}

// pipeSession hands each message in; what is wrong with it, the server says then.
type pipeSession struct {
	flags    sendFlags
	common   commonFlags
	envelope web.Envelope
}

func (s *pipeSession) Hello(context.Context, smtp.Peer) mail.Reply { return mail.Reply{} }

func (s *pipeSession) Mail(_ context.Context, from mail.Address, o smtp.MailOptions) mail.Reply {
	s.envelope = web.Envelope{From: from.Path(), EnvelopeID: o.EnvelopeID, Return: o.Return}
	if !from.IsZero() {
		s.envelope.From = from.String()
	}
	return mail.Reply{}
}

func (s *pipeSession) Rcpt(_ context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	s.envelope.To = append(s.envelope.To, to.String())
	return mail.Reply{}
}

func (s *pipeSession) Data(ctx context.Context, body io.Reader) []mail.Reply {
	accepted, err := s.flags.post(ctx, s.common, s.envelope, body)
	if err == nil {
		return []mail.Reply{mail.NewReply(250, mail.EnhancedCode{Class: 2}, "accepted as "+string(accepted.ID))}
	}
	code, enhanced := 451, mail.EnhancedCode{Class: 4, Subject: 3}
	if f, ok := sendFailure(err, exitTemporary).(*failure); ok && f.code != exitTemporary {
		code, enhanced = 550, mail.EnhancedCode{Class: 5, Subject: 7}
	}
	return []mail.Reply{mail.NewReply(code, enhanced, strings.ToValidUTF8(err.Error(), "?"))}
}

func (s *pipeSession) Reset() { s.envelope = web.Envelope{} }
func (s *pipeSession) Close() {}

// oneConn is a listener of one connection.
type oneConn struct {
	conn *pipeConn
	once sync.Once
}

// Accept gives the connection, and when it is over says so.
func (l *oneConn) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.conn.over
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// pipeConn is standard input and output as a connection. Whoever waits there waits
// as long as it likes, and may end lines as files do.
type pipeConn struct {
	in    io.Reader
	out   io.Writer
	once  sync.Once
	over  chan struct{}
	ready []byte // read, with CRLF, not yet given
	cr    bool   // the last octet read was a CR
}

// Read gives every line its CRLF.
func (c *pipeConn) Read(p []byte) (int, error) {
	if len(c.ready) == 0 {
		var chunk [4096]byte
		n, err := c.in.Read(chunk[:])
		if n == 0 {
			return 0, err
		}
		for _, octet := range chunk[:n] {
			if octet == '\n' && !c.cr {
				c.ready = append(c.ready, '\r')
			}
			c.ready = append(c.ready, octet)
			c.cr = octet == '\r'
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *pipeConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *pipeConn) Close() error {
	c.once.Do(func() { close(c.over) })
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Loopback(), 0))
}
func (c *pipeConn) RemoteAddr() net.Addr             { return c.LocalAddr() }
func (c *pipeConn) SetDeadline(time.Time) error      { return nil }
func (c *pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }
