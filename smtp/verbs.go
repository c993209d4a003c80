package smtp

import (
	"context"
	"strconv"
	"strings"
)

// obey does what one command line says.
func (c *conversation) obey(ctx context.Context, line string) {
	verb, args := cutVerb(line)
	if hasControl(line) {
		c.unreadable(verb)
		return
	}
	if !c.mayGoOn(verb) {
		return
	}
	switch verb {
	case "MAIL":
		c.mail(ctx, args)
	case "RCPT":
		c.rcpt(ctx, args)
	case "DATA":
		c.data(ctx, args)
	case "BDAT":
		c.bdat(ctx, args)
	case "EHLO", "HELO", "LHLO":
		c.hello(ctx, verb, args)
	case "STARTTLS":
		c.startTLS(ctx, args)
	case "AUTH":
		c.auth(ctx, args)
	case "QUIT":
		c.goodbye(args)
	case "CONNECT", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PROXY":
		c.foreign()
	default:
		c.aside(verb, args)
	}
}

// cutVerb splits a command line. Spaces at its end are tolerated (RFC 5321 section
// 4.1.1).
func cutVerb(line string) (verb, args string) {
	verb, args, _ = strings.Cut(strings.TrimRight(line, " \t"), " ")
	return strings.ToUpper(verb), args
}

// unreadable refuses a line with control characters. Behind a BDAT whose size is not
// known nothing can be read any more.
func (c *conversation) unreadable(verb string) {
	if strings.HasPrefix(verb, "BDAT") {
		c.endless()
		return
	}
	c.fault("500 5.5.2 a control character in a command")
}

// hasControl finds what no command holds, a tab excepted, which some clients put
// between arguments: RFC 5321 section 2.3.8 for CR, section 4.1.2 for the rest.
func hasControl(line string) bool {
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// mayGoOn ends the conversation with who has been here for too long, or talks and
// brings no message.
func (c *conversation) mayGoOn(verb string) bool {
	if c.now.After(c.ends) {
		c.say("421 4.4.2 the session has lasted long enough")
		c.over = true
		return false
	}
	if r := c.server.retired.Load(); r != nil && verb == "MAIL" && c.now.After(r.ends) {
		c.farewell(errRetired)
		return false
	}
	if c.nameless && (verb == "MAIL" || verb == "AUTH") {
		c.say("450 4.7.1 the proxy does not say who you are")
		return false
	}
	switch verb {
	case "MAIL", "RCPT", "DATA", "QUIT":
		return true
	}
	return c.talk()
}

// talk counts a command that brings no message nearer, and beyond a bound takes it for
// an error. It reports whether the conversation goes on.
func (c *conversation) talk() bool {
	if c.idleTalk++; c.idleTalk > maxIdleTalk {
		return c.mayErr()
	}
	return true
}

// foreign ends the conversation with who does not speak SMTP: a browser that was
// tricked into posting here, a proxy that may not speak for others.
func (c *conversation) foreign() {
	c.server.stats.faults.Add(1)
	c.say("421 4.5.1 this is no SMTP")
	c.over = true
}

// aside answers the commands that change nothing but, at most, give up the transaction.
func (c *conversation) aside(verb, args string) {
	switch verb {
	case "NOOP": // may have an argument (RFC 5321 section 4.1.1.9)
		c.say("250 2.0.0 ok")
	case "RSET":
		if args != "" {
			c.syntax("RSET")
			return
		}
		c.reset()
		c.say("250 2.0.0 ok")
	case "VRFY": // never tells (RFC 5321 section 7.3)
		if args == "" {
			c.syntax("VRFY address")
			return
		}
		c.say("252 2.0.0 cannot verify, send a message to find out")
	case "EXPN":
		c.fault("502 5.5.1 not implemented")
	case "HELP":
		c.say("214 2.0.0 see RFC 5321, and postmaster@" + c.server.options.Name.String())
	default:
		c.fault("500 5.5.1 unknown command")
	}
}

func (c *conversation) goodbye(args string) {
	if args != "" {
		c.syntax("QUIT")
		return
	}
	c.say("221 2.0.0 goodbye")
	c.over, c.saidQuit = true, true
}

// hello begins the session, or begins it again.
func (c *conversation) hello(ctx context.Context, verb, name string) {
	if (verb == "LHLO") != c.server.options.LMTP {
		c.fault("500 5.5.1 unknown command") // RFC 2033 section 4.1
		return
	}
	if name == "" || strings.ContainsAny(name, " \t") || !isASCII(name) {
		c.syntax(verb + " name")
		return
	}
	c.reset()
	p := c.peer
	p.HELO, p.EHLO = name, verb != "HELO"
	p.Protocol = p.Via(false, false)
	reply := c.session.Hello(ctx, p)
	if !reply.IsZero() && !reply.IsPositive() {
		c.greeted = false
		c.answer(reply, "")
		return
	}
	c.peer, c.greeted = p, true
	c.welcome(reply.Text())
}

// welcome is the answer to HELO or EHLO. It tells the client where it comes from: that
// is how a server behind a router learns its address.
func (c *conversation) welcome(text string) {
	if text == "" {
		text = c.server.options.Name.String() + " greets " + literal(c.peer)
	} else {
		text = c.server.options.Name.String() + " " + text
	}
	if !c.peer.EHLO {
		c.say("250 " + text)
		return
	}
	c.say("250-" + text)
	lines := c.server.keyword.in(c)
	for i, keyword := range lines {
		if i < len(lines)-1 {
			c.say("250-" + keyword)
		} else {
			c.say("250 " + keyword)
		}
	}
}

func literal(p Peer) string {
	switch ip := p.Remote.Addr(); {
	case ip.Is4():
		return "[" + ip.String() + "]"
	case ip.IsValid():
		return "[IPv6:" + ip.WithZone("").String() + "]"
	}
	return p.HELO
}

// keywords are the announcements of a server, for each kind of channel.
type keywords struct{ clear, tls, login []string }

// in are those that are true of a conversation now.
func (k keywords) in(c *conversation) []string {
	if c.peer.TLS == nil {
		return k.clear
	}
	if _, ok := c.session.(Authenticator); ok {
		return k.login
	}
	return k.tls
}

func announce(o ServerOptions) keywords {
	always := []string{
		"PIPELINING", "SIZE " + strconv.FormatInt(o.MaxSize, 10), "8BITMIME", "SMTPUTF8",
		"ENHANCEDSTATUSCODES", "CHUNKING", "LIMITS RCPTMAX=" + strconv.Itoa(o.MaxRecipients),
	}
	if o.DSN {
		always = append(always, "DSN")
	}
	var k keywords
	k.clear, k.tls = always, always
	if o.TLS != nil {
		k.clear = append(k.clear[:len(k.clear):len(k.clear)], "STARTTLS")
	}
	if o.RequireTLSExt { // only where it can be kept (RFC 8689 section 2)
		k.tls = append(k.tls[:len(k.tls):len(k.tls)], "REQUIRETLS")
	}
	k.login = k.tls
	if o.Submission {
		k.login = append(k.login[:len(k.login):len(k.login)], "AUTH "+strings.Join(o.Mechanisms, " "))
	}
	return k
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
