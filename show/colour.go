package show

import "github.com/allgreen-mail/allgreen/finding"

// colours are the SGR parameters of the statuses (ECMA-48 section 8.3.117).
var colours = map[finding.Status]string{
	finding.Red:     "1;31",
	finding.Yellow:  "33",
	finding.Green:   "32",
	finding.Unknown: "36",
	finding.Skip:    "2",
}

func (p *paper) paint(sgr, text string) string {
	if !p.Color || sgr == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p *paper) bold(text string) string { return p.paint("1", text) }

func (p *paper) dim(text string) string { return p.paint("2", text) }
