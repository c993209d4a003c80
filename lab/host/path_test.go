package host

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

func TestPathArgument(t *testing.T) {
	for _, c := range []struct {
		arg, path, params string
		ok                bool
	}{
		{"FROM:<a@b.example> SIZE=1", "a@b.example", "SIZE=1", true},
		{"from: <a@b.example>", "a@b.example", "", true},
		{`FROM:<"a>b"@c.example> BODY=8BITMIME`, `"a>b"@c.example`, "BODY=8BITMIME", true},
		{"FROM:<>", "", "", true},
		{"FROM:a@b.example", "", "", false},
		{"FROM:<a@b.example", "", "", false},
		{"FR", "", "", false},
	} {
		path, params, ok := pathArgument(c.arg, "FROM:")
		if path != c.path || params != c.params || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.arg, path, params, ok)
		}
	}
}

func TestHiddenRecipients(t *testing.T) {
	for _, c := range []struct{ path, inner, trick string }{
		{"v%x.example@here.example", "v@x.example", "percent"},
		{"v%x.example", "v@x.example", "percent"},
		{"x.example!v@here.example", "v@x.example", "bang"},
		{`"v@x.example"@here.example`, "v@x.example", "quoted"},
		{`"v%x.example"`, "v@x.example", "quoted"},
		{"v@x.example@here.example", "v@x.example", "double-at"},
		{"@here.example:v@x.example", "", ""},
		{"v@here.example", "", ""},
		{`"a b"@here.example`, "b b", ""},
	} {
		inner, trick, ok := splitPath(c.path).hidden()
		if ok != (c.trick != "") || ok && (inner.String() != c.inner || trick != c.trick) {
			t.Errorf("%s: %s by %s, %v", c.path, inner, trick, ok)
		}
	}
}

func TestReadData(t *testing.T) {
	const smuggled = "one\n.\r\ntwo\r\n.\r\n"
	for _, c := range []struct {
		name, in, body string
		rule           BareLF
		refused        bool
	}{
		{"plain", "a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", BareLFRefused, false},
		{"empty", ".\r\n", "", BareLFRefused, false},
		{"bare LF refused", smuggled, "one\n.\r\ntwo\r\n", BareLFRefused, true},
		{"bare LF kept", smuggled, "one\n.\r\ntwo\r\n", BareLFKept, false},
		{"bare LF ends", smuggled, "one\n", BareLFEndsData, false},
		{"bare CR refused", "a\rb\r\n.\r\n", "a\rb\r\n", BareLFRefused, true},
		{"long line", strings.Repeat("x", 9000) + "\r\n.\r\n", strings.Repeat("x", 9000) + "\r\n", BareLFRefused, false},
	} {
		body, err := readData(bufio.NewReader(strings.NewReader(c.in)), c.rule, func() {})
		if string(body) != c.body || errors.Is(err, errData) != c.refused {
			t.Errorf("%s: %.60q, %v", c.name, body, err)
		}
	}
}

// A line end may fall on the edge of the buffer and must stay one.
func TestReadDataAcrossBuffers(t *testing.T) {
	for n := 4090; n < 4100; n++ {
		in := strings.Repeat("x", n) + "\r\n.\r\n"
		if _, err := readData(bufio.NewReader(strings.NewReader(in)), BareLFRefused, func() {}); err != nil {
			t.Errorf("a line of %d octets: %s", n, err)
		}
	}
}

func TestStuff(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\n.b\r\n": "a\r\n..b\r\n.\r\n",
		".a":          "..a\r\n.\r\n",
		"":            "\r\n.\r\n",
	} {
		if got := stuff([]byte(in)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// FuzzPath: nothing that a client writes as a path is a crash, and what is found
// hidden in it was written in it.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"FROM:<a@b>", `FROM:<"a\">@b"@c> X=Y`, "FROM:<@a:b%c@d>", "FROM:<a!b>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		path, _, ok := pathArgument(arg, "FROM:")
		if !ok {
			return
		}
		if inner, _, ok := splitPath(path).hidden(); ok && !strings.ContainsAny(path, "%!@") {
			t.Errorf("%q hides %q, and there is no sign of it", path, inner)
		}
	})
}

// FuzzReadData: data ends or runs out, within bounds.
func FuzzReadData(f *testing.F) {
	f.Add([]byte("a\r\n.\r\n"), true)
	f.Add([]byte("a\n.\r\nb\r.\r\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, strict bool) {
		rule := BareLFEndsData
		if strict {
			rule = BareLFRefused
		}
		body, err := readData(bufio.NewReader(strings.NewReader(string(in))), rule, func() {})
		if len(body) > len(in) {
			t.Errorf("%d octets became %d (%v)", len(in), len(body), err)
		}
	})
}
