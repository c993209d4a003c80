package transfer

import "testing"

func TestNames(t *testing.T) {
	for wire, name := range map[string]string{
		"Sent": "Sent", "M&APw-ll": "Müll", "&-": "&", "a&-b": "a&b", "&ZeVnLIqe-": "日本語", "&2D3eAA-": "😀",
	} {
		if got := decodeName(wire); got != name {
			t.Errorf("decode %q: %q, want %q", wire, got, name)
		}
		if got := encodeName(name); got != wire {
			t.Errorf("encode %q: %q, want %q", name, got, wire)
		}
	}
	for _, odd := range []string{"Müll", "a&b", "&APw", "&A-", "&*-"} {
		if got := decodeName(odd); got != odd {
			t.Errorf("%q is no modified UTF-7, and became %q", odd, got)
		}
	}
}
