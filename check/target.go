package check

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Target is what is judged.
type Target struct {
	Text   string      // as the person wrote it
	Kind   Scope       // one kind; zero while a name may be a domain or a host
	Domain mail.Domain // for Domain and Host
	IP     netip.Addr  // for Address
	Raw    []byte      // for Message: the message as it came
}

// ErrTarget is wrapped by every error of ParseTarget.
var ErrTarget = errors.New("this is nothing that can be checked")

// ParseTarget reads a target: a name, an address, an address of a person at the
// domain, "-" for a message, "egress". The kind "as" decides for names and is
// zero when the audit shall find out by itself.
func ParseTarget(text string, as Scope) (Target, error) {
	t := Target{Text: text, Kind: as}
	switch {
	case as == Message || text == "-" && as == 0:
		t.Kind = Message
		return t, nonsense(text, text != "-", "a message is read from standard input and named -")
	case as == Egress || text == "egress" && as == 0:
		t.Kind = Egress
		return t, nonsense(text, text != "egress", "the way out of this machine is named egress")
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		t.Kind, t.IP = Address, ip.Unmap().WithZone("")
		return t, nonsense(text, as == Domain || as == Host, "it is an address, not a name")
	}
	if as == Address {
		return t, nonsense(text, true, "it is not an IP address")
	}
	return t, t.parseName(text)
}

func (t *Target) parseName(text string) error {
	if address, err := mail.ParseAddress(text); err == nil && address.Literal == (netip.Addr{}) {
		t.Domain = address.Domain
		if t.Kind == 0 {
			t.Kind = Domain
		}
		return nil
	}
	d, err := mail.ParseDomain(text)
	if err != nil {
		return nonsense(text, true, strings.TrimPrefix(err.Error(), mail.ErrDomain.Error()+": "))
	}
	t.Domain = d
	return nonsense(text, d.Labels() < 2, "a mail domain has at least two labels")
}

func nonsense(text string, is bool, why string) error {
	if !is {
		return nil
	}
	return fmt.Errorf("%w: %.100q: %s", ErrTarget, text, why)
}

// ParseKind reads the word after --as; "" is zero, for Auto.
func ParseKind(word string) (Scope, error) {
	for kind, name := range scopeNames {
		if name == word {
			return kind, nil
		}
	}
	if word == "" {
		return 0, nil
	}
	return 0, fmt.Errorf("%q is no kind of target; one of domain, host, address, message, egress", word)
}
