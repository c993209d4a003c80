package show_test

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/show"
)

func TestTable(t *testing.T) {
	heads := []show.Column{{Title: "id", Keep: true}, {Title: "size", Right: true}, {Title: "to"}, {Title: "why"}}
	rows := [][]string{
		{"01JD0000000000000001", "9", "anna@example.com", "450 4.2.0 come back later, we are busy with other people"},
		{"01JD0000000000000002", "12345", "jürgen@bücher.example", "evil \x1b[31mred"},
	}
	var b strings.Builder
	if err := show.Table(&b, heads, rows, 80); err != nil {
		t.Fatal(err)
	}
	want := `id                     size  to                     why
01JD0000000000000001      9  anna@example.com       450 4.2.0 come back later,..
01JD0000000000000002  12345  jürgen@bücher.example  evil \x1b[31mred
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := show.Table(&b, heads, nil, 80); err != nil || b.String() != "" {
		t.Errorf("no rows are %q, %v", b.String(), err)
	}
	b.Reset()
	if err := show.Table(&b, heads, rows, 20); err != nil || !strings.Contains(b.String(), "01JD0000000000000001") {
		t.Errorf("what people copy was cut:\n%s", b.String())
	}
}

func TestPairs(t *testing.T) {
	var b strings.Builder
	err := show.Pairs(&b, [][2]string{{"from", "a@example.com"}, {"held", ""}, {"last reply", strings.Repeat("word ", 10)}}, 40)
	want := `from        a@example.com
last reply  word word word word word
            word word word word word
`
	if err != nil || b.String() != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, b.String(), want)
	}
}
