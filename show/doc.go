// Package show puts reports on paper: as text for a terminal or a pipe, as one
// HTML file, and as JUnit XML for a build server. It adds nothing to what the
// findings say and judges nothing.
//
//	err := show.Text(os.Stdout, reports, show.Options{Width: 80, Color: true})
//	err := show.HTML(file, reports)
//	err := show.JUnit(file, reports)
//
// In every form the groups with something red come first, greens are counted
// and folded, each colour has a word and a sign beside it, and a cure is a record
// that can be pasted into a zone file: it alone stands at the left margin.
//
// Evidence quotes what remote servers said. Nothing of it reaches the paper
// unwashed: control characters, terminal escapes, direction marks and broken
// UTF-8 become visible escapes (\x1b, \u202e), and nothing is longer than a
// reader could use.
//
// Standards: RFC 1035 section 5.1 (zone files), UAX 11 (the width of
// characters), ECMA-48 (colours).
package show
