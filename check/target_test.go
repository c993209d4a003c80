package check

import (
	"errors"
	"testing"
)

func TestParseTarget(t *testing.T) {
	tests := []struct {
		text string
		as   Scope
		kind Scope
		want string // domain or address; "" for an error
	}{
		{"example.com", 0, 0, "example.com"},
		{"Example.COM.", 0, 0, "example.com"},
		{"bücher.example", 0, 0, "xn--bcher-kva.example"},
		{"joe@example.com", 0, Domain, "example.com"},
		{"mx.example.com", Host, Host, "mx.example.com"},
		{"192.0.2.1", 0, Address, "192.0.2.1"},
		{"[2001:db8::1]", 0, Address, "2001:db8::1"},
		{"::ffff:192.0.2.1", 0, Address, "192.0.2.1"},
		{"192.0.2.1", Domain, 0, ""},
		{"example.com", Address, 0, ""},
		{"localhost", 0, 0, ""},
		{"", 0, 0, ""},
		{"not a domain", 0, 0, ""},
		{"example..com", 0, 0, ""},
		{"http://example.com/", 0, 0, ""},
		{"-rf", 0, 0, ""},
		{"file.eml", Message, 0, ""},
		{"example.com", Egress, 0, ""},
		{"-", Domain, 0, ""},
	}
	for _, tt := range tests {
		got, err := ParseTarget(tt.text, tt.as)
		if tt.want == "" {
			if !errors.Is(err, ErrTarget) {
				t.Errorf("ParseTarget(%q, %v) = %+v, %v; want nonsense", tt.text, tt.as, got, err)
			}
			continue
		}
		text := got.Domain.String()
		if got.IP.IsValid() {
			text = got.IP.String()
		}
		if err != nil || got.Kind != tt.kind || text != tt.want {
			t.Errorf("ParseTarget(%q, %v) = %v %q, %v; want %v %q", tt.text, tt.as, got.Kind, text, err, tt.kind, tt.want)
		}
	}
}
