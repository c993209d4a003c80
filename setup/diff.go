package setup

import (
	"fmt"
	"io"
	"slices"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/zone"
)

// WriteDiff shows what would be written, as "+" and "-", and what stays; all shows what
// is as it is wanted too.
func (c *Comparison) WriteDiff(w io.Writer, all bool) {
	fmt.Fprintf(w, "; %s, in the zone %s\n", c.Domain, c.Zone)
	counts := map[zone.Status]int{}
	for _, s := range c.Steps {
		counts[s.Status]++
		if s.Status == zone.Fine && !all {
			continue
		}
		writeStep(w, s)
	}
	fmt.Fprintf(w, "; %d to add, %d to merge, %d to replace, %d stay as they are, %d are fine", counts[zone.Add], counts[zone.Merge], counts[zone.Replace], counts[zone.Keep], counts[zone.Fine])
	if n := counts[zone.Elsewhere]; n > 0 {
		fmt.Fprintf(w, ", %d belong into the zones of others", n)
	}
	fmt.Fprintln(w)
	if n := len(c.Later); n > 0 {
		fmt.Fprintf(w, "; %d more wait until the mail of %s is here for good, as %s %s\n", n, c.Domain, c.Later[0].Name, c.Later[0].Type)
	}
	fmt.Fprintln(w)
}

func writeStep(w io.Writer, s zone.Step) {
	if s.Note != "" {
		fmt.Fprintf(w, "; %s: %s\n", s.Status, s.Note)
	}
	line := func(sign, value string) {
		fmt.Fprintf(w, "%s %s %s %s\n", sign, s.Name, s.Type, show.Clean(value))
	}
	switch s.Status {
	case zone.Keep:
		for _, v := range s.Present {
			line("=", v)
		}
		for _, v := range s.Wanted {
			line("!", v+" ; wanted, and not written")
		}
	case zone.Elsewhere:
		for _, v := range s.Wanted {
			line(";", v)
		}
	default:
		for _, v := range s.Present {
			if slices.Contains(s.Result, v) {
				line(" ", v)
			} else {
				line("-", v)
			}
		}
		for _, v := range s.Result {
			if !slices.Contains(s.Present, v) {
				line("+", v)
			}
		}
	}
}
