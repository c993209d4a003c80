package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/mholt/acmez/v3/acme"

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
	at, err = zone.Apex(ctx, s.world, proof.Name)
	return at, proof, err
}
