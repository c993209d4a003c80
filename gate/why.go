package gate

import (
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Mark is what the reason of held mail begins with when the gate holds it.
const Mark = "gate: "

// Why is the reason for the queue: what is red, what ends it, and the one command to
// let the message go all the same.
func Why(r *Red, trace mail.TraceID) string {
	return fmt.Sprintf("%s%s [%s]; it goes by itself when that is mended (allgreen explain %s), or now: allgreen queue release %s",
		Mark, r.Text, r.Key(), r.Check, trace)
}

// Held is what Why said.
type Held struct {
	Text string // what is red
	Key  string // Red.Key
}

// ReadWhy reads the reason of a held message; false when the gate did not give it.
func ReadWhy(why string) (Held, bool) {
	rest, ok := strings.CutPrefix(why, Mark)
	if !ok {
		return Held{}, false
	}
	text, rest, ok := strings.Cut(rest, " [")
	key, _, closed := strings.Cut(rest, "];")
	return Held{text, key}, ok && closed
}

// CheckOf is the check of a key.
func CheckOf(key string) string {
	check, _, _ := strings.Cut(key, " ")
	return check
}
