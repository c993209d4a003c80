package provider

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Pasted is the reply in what somebody pasted.
type Pasted struct {
	Reply mail.Reply  // without a code where there was none: a connection that failed
	Host  mail.Domain // that answered; zero where it was not named
}

// ErrNothing is the error of Read for a text with nothing in it.
var ErrNothing = errors.New("there is no text")

// maxPasted is how much of a text Read looks at.
const maxPasted = 64 << 10

// Read finds the reply of a server in a pasted text: the bare reply, in one line
// or many; a line of the log of Postfix, Exim, sendmail or qmail; a delivery
// report (RFC 3464), as mail or only its readable part. A text without a reply
// becomes one without a code.
func Read(text string) (Pasted, error) {
	text = text[:min(len(text), maxPasted)]
	text = logBreaks.Replace(strings.ToValidUTF8(text, "?"))
	if strings.TrimSpace(text) == "" {
		return Pasted{}, ErrNothing
	}
	p := Pasted{Host: findHost(text)}
	said := findSaid(text)
	p.Reply = readReply(said)
	if p.Reply.Enhanced.IsZero() {
		p.Reply.Enhanced = findStatus(text, p.Reply.Code)
	}
	return p, nil
}

// logBreaks are the ways in which logs write the end of a line.
var logBreaks = strings.NewReplacer("\r\n", "\n", `\r\n`, "\n", `\n`, "\n", "#012", "\n")

// hostPlaces are where programs name the server that answered, the surest first.
var hostPlaces = []*regexp.Regexp{
	regexp.MustCompile(`(?mi)^Remote-MTA:\s*(?:dns|smtp);\s*([a-z0-9.-]+)`),
	regexp.MustCompile(`(?i)\bhost ([a-z0-9.-]+\.[a-z0-9-]+) ?\[`),           // Postfix and Exim, before what was said
	regexp.MustCompile(`(?i)\bH=([a-z0-9.-]+\.[a-z0-9-]+) \[`),               // Exim
	regexp.MustCompile(`(?i)\brelay=([a-z0-9.-]+\.[a-z0-9-]+)\.? ?\[`),       // Postfix, sendmail
	regexp.MustCompile(`(?i)\bwhile talking to ([a-z0-9.-]+\.[a-z0-9-]+)\b`), // sendmail
	regexp.MustCompile(`(?i)\b(?:server at|connect to) ([a-z0-9.-]+\.[a-z0-9-]+) ?[\[(]`),
	regexp.MustCompile(`(?im)^([a-z0-9.-]+\.[a-z0-9-]+)\n?\s*(?:gave this error|rejected your message)`),
}

func findHost(text string) mail.Domain {
	for _, place := range hostPlaces {
		if m := place.FindStringSubmatch(text); m != nil {
			if d, err := mail.ParseDomain(strings.Trim(m[1], ".")); err == nil {
				return d
			}
		}
	}
	return mail.Domain{}
}

// saidPlaces are what stands right before the words of the other server.
var saidPlaces = []*regexp.Regexp{
	regexp.MustCompile(`(?mi)^Diagnostic-Code:\s*(?:[a-z0-9-]+\s*;)?\s*`),
	regexp.MustCompile(`(?i)\b(?:said|refused to talk to me):\s+`),
	regexp.MustCompile(`(?i)SMTP error from remote (?:mail server|mailer)[^\n]*?:\s+(?:host \S+ \[[^\]]*\](?::\d+)?:\s+)?`),
	regexp.MustCompile(`(?i)Remote[_ ]host[_ ]said:[_ ]`),
	regexp.MustCompile(`(?i)(?:server|host)[^\n]{0,100} returned:? ['"<]{0,3}`),
	regexp.MustCompile(`(?i)\breply=`),
	regexp.MustCompile(`(?m)^<<<? `),
}

// bareReply is where a reply can begin without a word before it: three digits that
// are no part of anything longer.
var bareReply = regexp.MustCompile(`(?m)(?:^|[\s:;'"(=>])([245][0-5]\d(?:[ -]\d\.\d{1,3}\.\d{1,3}\b|[ -][^\s\d]|$))`)

// noReply is where programs tell what failed before a server answered.
var noReply = regexp.MustCompile(`(?i)status=\w+ \((.*)\)|==? .*? defer \([-\d]+\):? (.*)|stat=(?:Deferred: )?(.*)`)

// findSaid is the part of a text that the other server said.
func findSaid(text string) string {
	for _, place := range saidPlaces {
		for _, at := range place.FindAllStringIndex(text, 8) {
			if rest := text[at[1]:]; beginsReply(strings.ReplaceAll(rest[:min(len(rest), 16)], "_", " ")) {
				return rest
			}
		}
	}
	if at := bareReply.FindStringSubmatchIndex(text); at != nil {
		return text[at[2]:]
	}
	if m := noReply.FindStringSubmatch(text); m != nil {
		return strings.Join(m[1:], "")
	}
	return text
}

func beginsReply(s string) bool {
	_, _, _, err := mail.CutReplyLine(strings.TrimSpace(s))
	return err == nil && strings.TrimSpace(s)[0] != '3'
}

// saidEnds are what stands behind the words of the other server.
var saidEnds = regexp.MustCompile(`\s*(?:\(in\s+reply\s+to\s[^)]*(?:\)|$)|\n[ \t]*\n|\n[A-Za-z-]+:\s|\n(?:\.\.\. |>>> |--))`)

// readReply makes a reply of what a server said; the lines of one become one.
func readReply(said string) mail.Reply {
	said = strings.TrimSpace(said)
	if at := saidEnds.FindStringIndex(said); at != nil {
		said = said[:at[0]]
	}
	if !strings.Contains(said, " ") {
		said = strings.ReplaceAll(said, "_", " ") // qmail
	}
	code, _, rest, err := mail.CutReplyLine(said)
	if err != nil {
		return mail.Reply{Lines: []string{inOneLine(said)}}
	}
	again := regexp.MustCompile(`\s*(?:^|\s)(?:<<<? )?` + strconv.Itoa(code) + `[- ](\d\.\d{1,3}\.\d{1,3}\b)?`)
	first := mail.Reply{Code: code, Lines: []string{inOneLine(rest)}}
	if r, err := mail.ParseReply([]string{strconv.Itoa(code) + " " + first.Lines[0]}); err == nil {
		first = r
	}
	text := again.ReplaceAllStringFunc(first.Lines[0], func(s string) string {
		if strings.Contains(s, first.Enhanced.String()) {
			return " "
		}
		return s
	})
	first.Lines = []string{unwrap(inOneLine(text))}
	return first
}

// unwrap takes off what the program put around the words of the other server.
func unwrap(s string) string {
	if strings.HasSuffix(s, ")") && strings.Count(s, ")") > strings.Count(s, "(") {
		s = s[:len(s)-1]
	}
	return strings.Trim(s, `'"`)
}

func inOneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// statusPlaces are where logs and reports write the enhanced code.
var statusPlaces = regexp.MustCompile(`(?mi)(?:\bdsn=|^Status:\s*)([245])\.(\d{1,3})\.(\d{1,3})\b`)

// findStatus is the enhanced code that stands beside a reply without one; of
// another class than the reply it is not believed.
func findStatus(text string, code int) mail.EnhancedCode {
	m := statusPlaces.FindStringSubmatch(text)
	if m == nil {
		return mail.EnhancedCode{}
	}
	class, _ := strconv.Atoi(m[1])
	subject, _ := strconv.Atoi(m[2])
	detail, _ := strconv.Atoi(m[3])
	if code != 0 && class != code/100 {
		return mail.EnhancedCode{}
	}
	return mail.EnhancedCode{Class: class, Subject: subject, Detail: detail}
}
