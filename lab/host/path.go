package host

import (
	"strings"
)

// target is a recipient or sender as a lenient server takes it apart.
type target struct {
	local, domain string // domain lower case, "" for none
	route         bool   // a source route stood before it
}

// splitPath takes "local@domain" apart at its last @ outside quotes, and drops a
// source route (RFC 5321 section 4.1.1.3).
func splitPath(path string) target {
	var t target
	if strings.HasPrefix(path, "@") {
		if _, rest, ok := strings.Cut(path, ":"); ok {
			path, t.route = rest, true
		}
	}
	at, quoted := -1, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '@' && !quoted:
			at = i
		}
	}
	if at < 0 {
		t.local = path
		return t
	}
	t.local, t.domain = path[:at], strings.ToLower(path[at+1:])
	return t
}

func (t target) String() string {
	if t.domain == "" {
		return t.local
	}
	return t.local + "@" + t.domain
}

// hidden is the recipient that a relay trick hides in a local part, with the
// name of the trick; ok is false when there is none.
func (t target) hidden() (inner target, trick string, ok bool) {
	local := t.local
	if n := len(local); n > 2 && local[0] == '"' && local[n-1] == '"' {
		inner := splitPath(strings.ReplaceAll(local[1:n-1], "%", "@"))
		return inner, "quoted", inner.domain != ""
	}
	if i := strings.LastIndexByte(local, '@'); i > 0 {
		return splitPath(local), "double-at", true
	}
	if i := strings.LastIndexByte(local, '%'); i > 0 {
		return splitPath(local[:i] + "@" + local[i+1:]), "percent", true
	}
	if host, user, ok := strings.Cut(local, "!"); ok && user != "" {
		return target{local: user, domain: strings.ToLower(host)}, "bang", true
	}
	return target{}, "", false
}

// pathArgument takes the path and the parameters out of "FROM:<path> params".
func pathArgument(arg, keyword string) (path, params string, ok bool) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", false
	}
	rest := strings.TrimLeft(arg[len(keyword):], " ")
	if !strings.HasPrefix(rest, "<") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && quoted:
			i++
		case rest[i] == '"':
			quoted = !quoted
		case rest[i] == '>' && !quoted:
			return rest[1:i], strings.TrimSpace(rest[i+1:]), true
		}
	}
	return "", "", false
}
