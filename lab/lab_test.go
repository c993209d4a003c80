package lab_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/lab"
)

// start runs a lab for one test.
func start(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		l, err := lab.Start(b.Context(), lab.Options{})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
