package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/miekg/dns"
)

// Facts are what was found out about us and is no secret. They are kept, so that
// Records says the same after a restart as before.

func (i *Identity) loadFacts(ctx context.Context) error {
	facts := map[string]string{}
	err := i.store.Read(ctx, func(tx *store.Tx) error {
		clear(facts)
		rows, err := tx.Rows(`SELECT name, value FROM identity_fact`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, value string
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			facts[name] = value
		}
		return rows.Err()
	})
	if err == nil {
		i.facts.Store(&facts)
	}
	return err
}

// keepFact stores what was found out; what is known already costs nothing.
func (i *Identity) keepFact(ctx context.Context, name, value string) error {
	if (*i.facts.Load())[name] == value {
		return nil
	}
	return i.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO identity_fact (name, value, changed) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed = excluded.changed`,
			name, value, store.Micros(i.world.Now()))
		tx.Wake(topic)
		return err
	})
}

func signedFact(name mail.Domain) string { return "signed " + name.String() }

// isSigned reports whether the addresses of a host were last seen signed: without that
// a TLSA record says nothing to anybody (RFC 7672 section 2.2).
func (i *Identity) isSigned(name mail.Domain) bool {
	return (*i.facts.Load())[signedFact(name)] == "yes"
}

// findSigned looks whether the zone of the MX host is signed. No answer leaves what
// was known.
func (i *Identity) findSigned(ctx context.Context) error {
	name := i.said.Load().nameOf(SMTP)
	security, err := i.securityOf(ctx, name)
	if err != nil {
		return nil
	}
	word := "no"
	if security == world.Secure {
		word = "yes"
	}
	return i.keepFact(ctx, signedFact(name), word)
}

func (i *Identity) securityOf(ctx context.Context, name mail.Domain) (world.Security, error) {
	answer, err := i.world.Lookup(ctx, world.NameOf(name), dns.TypeA)
	if err == nil {
		return answer.Security, nil
	}
	var absence *world.LookupError
	if errors.As(err, &absence) && errors.Is(err, world.ErrNotFound) {
		return absence.Security, nil
	}
	return world.Indeterminate, err
}

func issuersFact(directory string) string { return "caa " + directory }

// issuers are the names by which the authority knows itself in CAA records.
func (i *Identity) issuers() []string {
	c := i.said.Load().certificates
	if c.ACME == nil {
		return nil
	}
	return strings.Fields((*i.facts.Load())[issuersFact(c.ACME.Directory)])
}

// Once reports whether something is asked for the first time, on any node: for what the
// operator is told once.
func (i *Identity) Once(ctx context.Context, what string) (first bool, err error) {
	err = i.store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`INSERT INTO identity_fact (name, value, changed) VALUES ($1, '', $2) ON CONFLICT (name) DO NOTHING`,
			"once "+what, store.Micros(i.world.Now()))
		first = n == 1
		return err
	})
	return first, err
}
