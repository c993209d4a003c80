package check

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Received is what one trace field tells of a handover (RFC 5321 section 4.4). Only
// the comments are the receiver's own words: the name behind "from" is what the
// client said. Every server writes the field in its own way, so each part may be
// missing, and none of it is to be believed without knowing who wrote it.
type Received struct {
	HELO         string     // the name the client said
	Name         string     // the name that the receiver found for the address
	IP           netip.Addr // of the client
	EnvelopeFrom string     // the reverse-path, where it is told
	By           string     // who took the message
	With         string     // "ESMTPS", upper case
	TLS          string     // "1.3", where the version is told
	Time         time.Time  // zero when it cannot be read
}

// ParseReceived reads the body of a Received field, folded or not.
func ParseReceived(body string) Received {
	text := message.Unfold(body)
	clauses, date := cutTrace(text)
	from := clauses["from"]
	r := Received{
		HELO: from.word,
		By:   strings.TrimSuffix(strings.ToLower(clauses["by"].word), "."),
		With: strings.ToUpper(clauses["with"].word),
		TLS:  versionOfTLS(text),
	}
	for _, comment := range from.comments {
		r.readTCPInfo(comment)
	}
	for _, c := range clauses {
		for _, comment := range c.comments {
			if path, ok := valueBehind(comment, "envelope-from"); ok {
				r.EnvelopeFrom = path
			}
		}
	}
	if !r.IP.IsValid() {
		r.IP, _ = tracedAddress(from.word)
	}
	stamp := message.Header{Fields: []message.Field{message.NewField("Date", " "+date)}}
	if t, err := stamp.Date(); err == nil {
		r.Time = t.UTC()
	}
	return r
}

// IsEncrypted reports whether the message came over TLS (RFC 3848, RFC 6531: the
// keywords of protocols over TLS have an S behind them).
func (r Received) IsEncrypted() bool {
	return r.TLS != "" || tlsProtocol.MatchString(r.With)
}

// NeedsUTF8 reports whether the message came by SMTPUTF8 (RFC 6531 section 4.3).
func (r Received) NeedsUTF8() bool { return strings.HasPrefix(r.With, "UTF8") }

var (
	tlsProtocol = regexp.MustCompile(`^(UTF8)?(E?SMTP|LMTP|HTTP)SA?$`)
	tlsVersion  = regexp.MustCompile(`(?i)\bTLS[ v]?_?(1(?:[._][0-3])?)\b`)
)

func versionOfTLS(text string) string {
	m := tlsVersion.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	version := strings.ReplaceAll(m[1], "_", ".")
	if version == "1" {
		version = "1.0"
	}
	return version
}

// clause is the word behind a keyword of a trace field and the comments that follow.
type clause struct {
	word     string
	comments []string
}

// cutTrace takes a trace field apart into its clauses and the date at its end.
func cutTrace(text string) (clauses map[string]clause, date string) {
	clauses = map[string]clause{}
	keyword, open := "", false // open: the keyword still wants its word
	for text != "" {
		var token string
		var comment bool
		token, comment, text = nextToken(text)
		c := clauses[keyword]
		switch lower := strings.ToLower(token); {
		case token == ";":
			date = text // the last one counts: none stands in a well-formed clause
		case comment:
			c.comments = append(c.comments, token)
			clauses[keyword] = c
		case open:
			c.word, open = token, false
			clauses[keyword] = c
		case isTraceKeyword(lower) && clauses[lower].word == "":
			keyword, open = lower, true
		}
	}
	return clauses, strings.TrimSpace(date)
}

func isTraceKeyword(word string) bool {
	switch word {
	case "from", "by", "via", "with", "id", "for":
		return true
	}
	return false
}

// nextToken is the next word, semicolon or comment; that of a comment without its
// brackets.
func nextToken(s string) (token string, comment bool, rest string) {
	s = strings.TrimLeft(s, " \t\r\n")
	switch {
	case s == "":
		return "", false, ""
	case s[0] == ';':
		return ";", false, s[1:]
	case s[0] == '(':
		end := endOfComment(s)
		return strings.TrimSuffix(s[1:end], ")"), true, s[end:]
	}
	end := strings.IndexAny(s, " \t\r\n;(")
	if end < 0 {
		end = len(s)
	}
	return s[:end], false, s[end:]
}

// endOfComment is where the comment at the beginning of s ends, nested ones in it;
// the end of s when it is never closed.
func endOfComment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// readTCPInfo reads what the receiver wrote about the connection: "(name [address])"
// as most write it, "(HELO name) (address)" of qmail, "([address] helo=name)" of
// Exim.
func (r *Received) readTCPInfo(comment string) {
	if name, ok := valueBehind(comment, "helo"); ok {
		r.HELO = name
	}
	for i, word := range strings.Fields(comment) {
		ip, ok := tracedAddress(word)
		switch {
		case ok && !r.IP.IsValid():
			r.IP = ip
		case i == 0 && r.Name == "":
			r.Name = tracedHost(word)
		}
	}
}

// valueBehind finds "key=value" or "key value" in a comment.
func valueBehind(comment, key string) (string, bool) {
	words := strings.Fields(comment)
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok && i+1 < len(words) {
			value = words[i+1]
		}
		if value != "" && (strings.EqualFold(name, key) || key == "helo" && strings.EqualFold(name, "ehlo")) {
			return strings.Trim(value, "()"), true
		}
	}
	return "", false
}

// tracedAddress reads an address as trace fields write it: bare, in brackets, with
// "IPv6:" before it or a port behind the brackets.
func tracedAddress(word string) (netip.Addr, bool) {
	if _, inside, ok := strings.Cut(word, "["); ok {
		word, _, _ = strings.Cut(inside, "]")
	}
	word = strings.TrimRight(word, ",;")
	if len(word) > 5 && strings.EqualFold(word[:5], "IPv6:") {
		word = word[5:]
	}
	ip, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Addr{}, false
	}
	return ip.Unmap().WithZone(""), true
}

// tracedHost reads the name that a receiver found for an address: a host name, maybe
// behind an ident name, "unknown" for none.
func tracedHost(word string) string {
	word = word[strings.LastIndexByte(word, '@')+1:]
	d, err := mail.ParseDomain(word)
	if err != nil || d.Labels() < 2 {
		return ""
	}
	return d.String()
}
