package transfer

import (
	"fmt"
	"strings"
	"unicode"
)

// levelName makes of a level of another program's name one that a folder here can have:
// no separator, no control characters, no blanks at its ends, and not empty.
func levelName(level string) string {
	level = strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '-'
		case unicode.IsControl(r):
			return '_'
		}
		return r
	}, strings.ToValidUTF8(level, "_"))
	if level = strings.TrimSpace(level); level == "" {
		return "_"
	}
	return level
}

// names are the folders of a source and where each is found there.
type names map[string]string

// add gives what is found somewhere a name that no other folder has: "Sent", "Sent (2)".
// INBOX in any case is the inbox.
func (n names) add(name, where string) string {
	if strings.EqualFold(name, "INBOX") {
		name = "INBOX"
	}
	free := name
	for i := 2; ; i++ {
		if _, taken := n[free]; !taken {
			n[free] = where
			return free
		}
		free = fmt.Sprintf("%s (%d)", name, i)
	}
}
