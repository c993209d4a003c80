package finding

import (
	"fmt"
)

// Status is the colour of a finding. The zero value is Unknown.
type Status int

// The five colours. Their numbers mean nothing; Worse orders them.
const (
	Unknown Status = iota // could not be seen: says why, and what would make it visible
	Skip                  // does not apply here
	Green                 // seen, and right
	Yellow                // works, but should be mended
	Red                   // mail is or will be refused, or somebody is harmed
)

var statusNames = [...]string{"unknown", "skip", "green", "yellow", "red"}

// String is the word of the status, as JSON has it.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return statusNames[s]
}

// Sign is the mark beside the word, for eyes that see no colour.
func (s Status) Sign() string {
	switch s {
	case Skip:
		return "-"
	case Green:
		return "ok"
	case Yellow:
		return "!"
	case Red:
		return "x"
	}
	return "?"
}

// rank orders the colours from harmless to bad.
func (s Status) rank() int {
	switch s {
	case Skip:
		return 0
	case Green:
		return 1
	case Unknown:
		return 2
	case Yellow:
		return 3
	}
	return 4
}

// Worse is the worse of two: red, yellow, unknown, green, skip.
func Worse(a, b Status) Status {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// MarshalText writes the word.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no status", text)
}
