package setup

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

//go:embed publishers.json
var publishersJSON []byte

// publisherKind is one of those who can publish records for us.
type publisherKind struct {
	ID      string   `json:"id"`
	Servers []string `json:"servers"`       // the domains of its name servers
	Token   string   `json:"token"`         // where the secret comes from
	Key     string   `json:"key,omitempty"` // what else it asks for
}

func publisherKinds() []publisherKind {
	var all []publisherKind
	if err := json.Unmarshal(publishersJSON, &all); err != nil {
		panic("publishers.json: " + err.Error())
	}
	return all
}

// publisherOf guesses from the name servers of the domain who has its zone; "" where none
// is known.
func (s *Setup) publisherOf(ctx context.Context) string {
	answer, err := s.World.Lookup(ctx, world.NameOf(s.Domain.Registrable()), dns.TypeNS)
	if err != nil {
		return ""
	}
	for _, rr := range answer.Records {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		for _, k := range publisherKinds() {
			if slices.ContainsFunc(k.Servers, func(d string) bool { return dns.IsSubDomain(d+".", dns.CanonicalName(ns.Ns)) }) {
				return k.ID
			}
		}
	}
	return ""
}

// askPublisher asks who is to publish, where nobody has said so and somebody can be
// asked. Nothing is by hand.
func (s *Setup) askPublisher(ctx context.Context) error {
	if s.Answers.ByHand || strings.Contains(s.Answers.Lines, "[dns]") {
		return nil
	}
	usual := s.publisherOf(ctx)
	var ids []string
	for _, k := range publisherKinds() {
		ids = append(ids, k.ID)
	}
	if usual == "" {
		usual = "hand"
	}
	text, err := s.Desk.Ask("Who is to publish the DNS records? One of "+strings.Join(ids, ", ")+",\nor hand: then you do", usual)
	if errors.Is(err, ErrNobody) || err == nil && text == "hand" {
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(publisherKinds(), func(k publisherKind) bool { return k.ID == text })
	if i < 0 {
		return fmt.Errorf("%q is none of %s", text, strings.Join(ids, ", "))
	}
	return s.askToken(publisherKinds()[i])
}

func (s *Setup) askToken(k publisherKind) (err error) {
	lines := fmt.Sprintf("\n[dns]\nprovider = %q\n", k.ID)
	if k.ID == "rfc2136" {
		server, err := s.Desk.Ask("The address and port of the name server", "127.0.0.1:53")
		if err != nil {
			return err
		}
		lines += fmt.Sprintf("server = %q\n", server)
	}
	if k.Key != "" {
		key, err := s.Desk.Ask("For "+k.ID+": "+k.Key, "")
		if err != nil {
			return err
		}
		lines += fmt.Sprintf("key = %q\n", key)
	}
	s.Answers.Secret, err = s.Desk.Secret("Its secret (" + k.Token + ")")
	s.Answers.Lines = lines + "secret_file = \"" + SecretName + "\"\n" + s.Answers.Lines
	return err
}
