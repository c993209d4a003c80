package main

import (
	"cmp"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
)

// mailServers are the servers that mail programs are told of, the best of each kind first:
// TLS from the beginning before STARTTLS (RFC 8314 section 3).
func mailServers(c *config.Config) []web.MailServer {
	imap := cmp.Or(c.Names.IMAP, c.Hostname)
	pop3, submission := cmp.Or(c.Names.POP3, imap), cmp.Or(c.Names.Submission, c.Hostname)
	l := c.Listen
	var all []web.MailServer
	for _, s := range []struct {
		protocol string
		host     mail.Domain
		sockets  []config.Socket
		implicit bool
	}{
		{"imap", imap, l.IMAPS, true}, {"imap", imap, l.IMAP, false},
		{"pop3", pop3, l.POP3S, true}, {"pop3", pop3, l.POP3, false},
		{"smtp", submission, l.Submissions, true}, {"smtp", submission, l.Submission, false},
	} {
		if port := portOf(s.sockets); port != 0 {
			all = append(all, web.MailServer{Protocol: s.protocol, Host: s.host, Port: port, Implicit: s.implicit})
		}
	}
	return all
}

// portOf is the port of a service; zero when it has none.
func portOf(sockets []config.Socket) uint16 {
	for _, s := range sockets {
		if s.Port != 0 {
			return s.Port
		}
	}
	return 0
}

// egressOf are the addresses that mail leaves from.
func egressOf(c *config.Config) (all []web.EgressAddress) {
	for _, a := range c.Egress() {
		all = append(all, web.EgressAddress{IP: a.IP, Name: a.Name})
	}
	return all
}
