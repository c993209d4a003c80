package report

import (
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

//go:embed advice.json
var adviceText []byte

// advice is what a person can do about a status: the first line whose beginning
// fits. A line that does not end in a dot must fit wholly.
func advice(status mail.EnhancedCode) string {
	var lines []struct{ Status, Advice string }
	if err := json.Unmarshal(adviceText, &lines); err != nil {
		panic(err) // it is part of the program, and a test reads it
	}
	for _, l := range lines {
		if s := status.String(); s == l.Status || strings.HasSuffix(l.Status, ".") && strings.HasPrefix(s, l.Status) {
			return l.Advice
		}
	}
	return ""
}
