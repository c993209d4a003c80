package tlsprobe

import "fmt"

// Is is what is known of a yes-or-no question. The zero value is Unknown.
type Is int

// The four things that can be known.
const (
	Unknown Is = iota // could not be seen; Why tells the reason
	Yes
	No
	NotApplicable // the question does not arise: no TLS 1.2, no extended master secret
)

var isNames = [...]string{"unknown", "yes", "no", "n/a"}

// String is the word, as JSON has it.
func (i Is) String() string {
	if i < 0 || int(i) >= len(isNames) {
		return fmt.Sprintf("is(%d)", int(i))
	}
	return isNames[i]
}

// MarshalText writes the word.
func (i Is) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// Answer is the answer to one question, with what it rests on.
type Answer struct {
	Is  Is     `json:"is"`
	Why string `json:"why,omitempty"` // the alert, the error, what was negotiated
}

// String is the answer on one line: "no (alert 70, protocol version)".
func (a Answer) String() string {
	if a.Why == "" {
		return a.Is.String()
	}
	return a.Is.String() + " (" + a.Why + ")"
}

// Class says what the guidelines think of a suite or group. The zero value is
// Unclassified: the server chose what nobody offered or knows.
type Class string

// The classes of the NCSC guidelines of 2025-05. PhaseOut is a warning, Bad is a
// failure.
const (
	Unclassified Class = ""
	Good         Class = "good"
	Sufficient   Class = "sufficient"
	PhaseOut     Class = "phase-out"
	Bad          Class = "bad"
)
