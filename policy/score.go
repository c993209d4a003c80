package policy

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed weights.json
var weightsJSON []byte

// weights is weights.json: what things weigh, and from where on it matters.
type weights struct {
	Refuse     int            `json:"refuse"` // points from which a message is refused
	Junk       int            `json:"junk"`   // and filed in Junk
	Evidence   map[string]int `json:"evidence"`
	Blocklists []string       `json:"blocklists"` // asked where the configuration names none
	Limits     Limits         `json:"limits"`
	Greylist   greyTimes      `json:"greylist"`
}

func loadWeights() weights {
	var w weights
	if err := json.Unmarshal(weightsJSON, &w); err != nil {
		panic("policy: weights.json: " + err.Error())
	}
	return w
}

// sum adds the evidence up. The same word counts once, but for lists, each of which
// is a witness of its own.
func (w *weights) sum(evidence []Evidence) int {
	total := 0
	for i, e := range evidence {
		points, known := w.Evidence[e.Code]
		if !known {
			panic("policy: no weight for " + e.Code)
		}
		if strings.Contains(e.Code, "listed-") || !said(evidence[:i], e.Code) {
			total += points
		}
	}
	return total
}

func said(evidence []Evidence, code string) bool {
	for _, e := range evidence {
		if e.Code == code {
			return true
		}
	}
	return false
}

// score is the last stage of a moment: it adds up what the others found.
type score struct{ weights weights }

// Name is "score".
func (*score) Name() string { return "score" }

// Decide refuses from one sum on, and files in Junk from another.
func (c *score) Decide(_ context.Context, s *Session) Verdict {
	total := c.weights.sum(s.Evidence)
	v := Verdict{}
	switch {
	case total >= c.weights.Refuse:
		v = reject(550, refusedPolicy, "score."+c.heaviest(s.Evidence), "the message is refused for what is known of its sender")
	case total >= c.weights.Junk && len(s.Header.Fields) > 0:
		v = Verdict{Action: Junk, Reason: "score." + c.heaviest(s.Evidence)}
	}
	v.Score, v.Detail = total, c.Describe(s.Evidence)
	return v
}

// heaviest is the word that weighs most.
func (c *score) heaviest(evidence []Evidence) string {
	best := evidence[0].Code
	for _, e := range evidence {
		if c.weights.Evidence[e.Code] > c.weights.Evidence[best] {
			best = e.Code
		}
	}
	return best
}

// Describe is the evidence for the log.
func (c *score) Describe(evidence []Evidence) string {
	var b strings.Builder
	for i, e := range evidence {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %+d", e.Code, c.weights.Evidence[e.Code])
		if e.Detail != "" {
			b.WriteString(" (" + e.Detail + ")")
		}
	}
	return b.String()
}
