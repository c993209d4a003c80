package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// proofTTL is short, so that a proof that failed is not remembered.
const proofTTL = 60 // seconds

// dnsSolver proves control of a name by a TXT record, DNS-01 (RFC 8555 section 8.4).
type dnsSolver struct {
	*Identity
	provider zone.Provider
}

// Present publishes the proof.
func (s *dnsSolver) Present(ctx context.Context, c acme.Challenge) error {
	at, proof, err := s.proof(ctx, c)
	if err == nil {
		err = zone.Include(ctx, s.provider, at, proof)
	}
	if err != nil {
		return fmt.Errorf("publish the proof for %s: %w", c.Identifier.Value, err)
	}
	return nil
}

// CleanUp takes the proof back.
func (s *dnsSolver) CleanUp(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofPatience)
	defer cancel()
	at, proof, err := s.proof(ctx, c)
	if err == nil {
		err = zone.Exclude(ctx, s.provider, at, proof)
	}
	return err
}

// proofPatience is how long to wait until all name servers show a proof. Then the
// authority is asked all the same: it may ask one that does.
const proofPatience = 2 * time.Minute

// Wait waits until the name servers of the zone show the proof. Those are whom the
// authority asks; a resolver of ours may remember for longer that there was none.
func (s *dnsSolver) Wait(ctx context.Context, c acme.Challenge) error {
	at, proof, err := s.proof(ctx, c)
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, proofPatience)
	defer cancel()
	if err := zone.AwaitValues(patience, s.world, at, proof); err != nil {
		s.log.Warn("not all name servers show the proof", "name", proof.Name.String(), "error", err)
	}
	return ctx.Err()
}

// proof is the record, and the zone that holds it.
func (s *dnsSolver) proof(ctx context.Context, c acme.Challenge) (at world.Name, proof zone.Set, err error) {
	proof = zone.Set{Type: "TXT", TTL: proofTTL, Values: []string{finding.TXT("", c.DNS01KeyAuthorization()).Value}}
	if proof.Name, err = world.ParseName(c.DNS01TXTRecordName()); err != nil {
		return "", proof, err
	}
	if proof.Name, err = s.target(ctx, proof.Name); err != nil {
		return "", proof, err
	}
	at, err = zone.Apex(ctx, s.world, proof.Name)
	return at, proof, err
}

// maxAliases is how many CNAME records a proof is followed through.
const maxAliases = 8

// target is where a name leads by CNAME records. An authority follows them, and a proof
// cannot stand beside one: so a zone that may be written to from here holds the proofs of
// one that may not (RFC 8555 section 8.4). Only CNAME is asked for: that there is no text
// yet must not be remembered.
func (s *dnsSolver) target(ctx context.Context, name world.Name) (world.Name, error) {
	for range maxAliases {
		answer, err := s.world.Lookup(ctx, name, dns.TypeCNAME)
		switch {
		case errors.Is(err, world.ErrNotFound):
			return name, nil
		case err != nil:
			return name, fmt.Errorf("find where %s leads: %w", name, err)
		}
		alias, ok := answer.Records[0].(*dns.CNAME)
		if !ok {
			return name, nil
		}
		if name, err = world.ParseName(alias.Target); err != nil {
			return name, fmt.Errorf("find where the proof leads: %w", err)
		}
	}
	return name, fmt.Errorf("%s: more than %d CNAME records in a row", name, maxAliases)
}
