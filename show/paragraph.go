package show

import "strings"

// Paragraph breaks a text into lines of at most so many columns, each indented by
// so many spaces, without a final line end. Hostile octets are washed out.
func Paragraph(text string, indent, limit int) string {
	lines := wrap(wash(text), limit-indent)
	for i, line := range lines {
		lines[i] = strings.Repeat(" ", indent) + line
	}
	return strings.Join(lines, "\n")
}
