package route

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/mail"
)

// maxPolicy is the size RFC 8461 section 3.3 suggests as the limit.
const maxPolicy = 64 << 10

// MaxSTSAge is the longest max_age a policy may have (RFC 8461 section 3.2).
const MaxSTSAge = 31557600 * time.Second

// STSMode is what senders do when a host does not show what the policy wants.
// The zero value is STSNone.
type STSMode int

// The three modes (RFC 8461 section 5).
const (
	STSNone    STSMode = iota // as if there were no policy
	STSTesting                // deliver, and report
	STSEnforce                // do not deliver
)

// String is the word of the policy file.
func (m STSMode) String() string { return [...]string{"none", "testing", "enforce"}[m] }

// STSPolicy is an MTA-STS policy. The zero value asks for nothing.
type STSPolicy struct {
	Mode       STSMode
	MX         []STSPattern
	MaxAge     time.Duration
	Extensions []string // the names of unknown fields, ignored
}

// STSPattern is one mx line: a host, or any host exactly one label below a domain.
type STSPattern struct {
	Domain   mail.Domain
	Wildcard bool
}

// String is the pattern as the policy has it.
func (p STSPattern) String() string {
	if p.Wildcard {
		return "*." + p.Domain.String()
	}
	return p.Domain.String()
}

// Matches reports whether the pattern allows this host. A wildcard stands for one
// label, neither none nor two (RFC 8461 section 4.1).
func (p STSPattern) Matches(host mail.Domain) bool {
	if p.Wildcard {
		return !p.Domain.IsZero() && host.Parent() == p.Domain
	}
	return !host.IsZero() && host == p.Domain
}

// Allows reports whether one of the mx lines matches the host.
func (p STSPolicy) Allows(host mail.Domain) bool {
	for _, pattern := range p.MX {
		if pattern.Matches(host) {
			return true
		}
	}
	return false
}

// ParseSTSPolicy reads a policy file and says everything that is wrong with it.
// Lines end in LF or CRLF. Codes: "too-large", "encoding", "syntax", "blank-line",
// "version", "version-not-first", "mode", "max-age", "max-age-too-long", "mx",
// "no-mx", "duplicate".
func ParseSTSPolicy(body []byte) (STSPolicy, []Problem) {
	p := policyParser{seen: make(map[string]bool)}
	switch {
	case len(body) > maxPolicy:
		p.found.fatal("too-large", "the policy is larger than %d octets", maxPolicy)
		return p.policy, p.found
	case !utf8.Valid(body):
		p.found.fatal("encoding", "the policy is not UTF-8")
	}
	if rest, ok := bytes.CutPrefix(body, []byte("\xEF\xBB\xBF")); ok {
		p.found.fatal("encoding", "the policy begins with a byte order mark")
		body = rest
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	for i, line := range lines {
		p.line(i, strings.TrimSuffix(line, "\r"))
	}
	p.finish()
	return p.policy, p.found
}

// policyParser is the state while the lines go by.
type policyParser struct {
	policy  STSPolicy
	found   problems
	seen    map[string]bool
	entries int
}

func (p *policyParser) line(number int, line string) {
	line = strings.TrimRight(line, " \t")
	if line == "" {
		p.found.warn("blank-line", "line %d is empty", number+1)
		return
	}
	key, value, ok := strings.Cut(line, ":")
	value = strings.TrimLeft(value, " \t")
	if !ok || !isExtensionName(key) || strings.ContainsFunc(value, isControl) {
		p.found.fatal("syntax", "line %d is no \"key: value\" (%.60q)", number+1, line)
		return
	}
	p.entries++
	if p.seen[key] && key != "mx" {
		// RFC 8461 section 3.2: all entries but the first are ignored.
		p.found.warn("duplicate", "%.40q stands more than once; the first counts", key)
		return
	}
	p.seen[key] = true
	p.field(key, value)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7F }

func (p *policyParser) field(key, value string) {
	switch key {
	case "version":
		p.version(value)
	case "mode":
		p.mode(value)
	case "max_age":
		p.maxAge(value)
	case "mx":
		p.mx(value)
	default:
		p.policy.Extensions = append(p.policy.Extensions, key)
	}
}

func (p *policyParser) version(value string) {
	if value != "STSv1" {
		p.found.fatal("version", "the version is %.40q, not STSv1", value)
	}
	if p.entries > 1 {
		// The grammar allows any order; every example and several readers do not.
		p.found.warn("version-not-first", "the version is not the first line")
	}
}

func (p *policyParser) mode(value string) {
	for m := STSNone; m <= STSEnforce; m++ {
		if value == m.String() {
			p.policy.Mode = m
			return
		}
	}
	p.found.fatal("mode", "the mode %.40q is none of enforce, testing, none", value)
}

func (p *policyParser) maxAge(value string) {
	// Ten digits (section 3.2) hold more seconds than a Duration does: compare first.
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err != nil || len(value) > 10:
		p.found.fatal("max-age", "max_age %.40q is not a number of seconds", value)
	case n > uint64(MaxSTSAge/time.Second):
		p.policy.MaxAge = MaxSTSAge
		p.found.warn("max-age-too-long", "max_age %d is more than a year (31557600)", n)
	default:
		p.policy.MaxAge = time.Duration(n) * time.Second
	}
}

func (p *policyParser) mx(value string) {
	pattern, err := parseSTSPattern(value)
	if err != nil {
		p.found.fatal("mx", "mx %.80q: %s", value, err)
		return
	}
	p.policy.MX = append(p.policy.MX, pattern)
}

func parseSTSPattern(s string) (STSPattern, error) {
	name, wildcard := strings.CutPrefix(s, "*.")
	d, err := mail.ParseDomain(name)
	switch {
	case err != nil:
		return STSPattern{}, err
	case strings.HasSuffix(name, "."):
		return STSPattern{}, fmt.Errorf("%w: it ends in a dot", mail.ErrDomain)
	}
	return STSPattern{Domain: d, Wildcard: wildcard}, nil
}

// finish looks for what must be there and is not.
func (p *policyParser) finish() {
	if !p.seen["version"] {
		p.found.fatal("version", "there is no version line")
	}
	if !p.seen["mode"] {
		p.found.fatal("mode", "there is no mode line")
	}
	if !p.seen["max_age"] {
		p.found.fatal("max-age", "there is no max_age line")
	}
	if !p.seen["mx"] && p.policy.Mode != STSNone {
		p.found.fatal("no-mx", "there is no mx line")
	}
}
