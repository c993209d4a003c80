package web

import (
	"errors"
	"testing"
)

func TestSuppressionCalls(t *testing.T) {
	o := newOffice(t)
	if all := do(t, o, SuppressionList, SuppressionQuery{}); len(all) != 0 {
		t.Errorf("at first: %+v", all)
	}
	do(t, o, SuppressionAdd, Suppressed{Stream: "token:news", Address: "Joe@example.net", Why: "by telephone"})
	all := do(t, o, SuppressionList, SuppressionQuery{Text: "joe"})
	if len(all) != 1 || all[0].Address != "joe@example.net" || all[0].Kind != "added" || all[0].Why != "by telephone" || all[0].Since.IsZero() {
		t.Errorf("listed: %+v", all)
	}
	if rest := do(t, o, SuppressionList, SuppressionQuery{After: all[0]}); len(rest) != 0 {
		t.Errorf("the page after: %+v", rest)
	}
	name := SuppressionName{Stream: "token:news", Address: "joe@example.net"}
	do(t, o, SuppressionRemove, name)
	var e *Error
	if _, err := SuppressionRemove.Do(t.Context(), o.Client, name); !errors.As(err, &e) || e.Kind != NotFound {
		t.Errorf("lifted twice: %v", err)
	}
	for _, bad := range []Suppressed{{Stream: "token:news", Address: "nobody"}, {Stream: "", Address: "joe@example.net"}} {
		if _, err := SuppressionAdd.Do(t.Context(), o.Client, bad); !errors.As(err, &e) || e.Kind != Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
