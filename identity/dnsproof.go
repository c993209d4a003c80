package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// DNSProvider publishes the records that prove control of a name by DNS-01 (RFC 8555
// section 8.4). Every provider of libdns is one.
type DNSProvider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// proofTTL is short, so that a proof that failed is not remembered.
const proofTTL = time.Minute

// dnsSolver proves by a TXT record.
type dnsSolver struct {
	*Identity
	provider DNSProvider
}

// Present publishes the proof.
func (s *dnsSolver) Present(ctx context.Context, c acme.Challenge) error {
	zone, record, err := s.record(ctx, c)
	if err == nil {
		_, err = s.provider.AppendRecords(ctx, zone, []libdns.Record{record})
	}
	if err != nil {
		return fmt.Errorf("publish the proof for %s: %w", c.Identifier.Value, err)
	}
	return nil
}

// CleanUp takes the proof back.
func (s *dnsSolver) CleanUp(ctx context.Context, c acme.Challenge) error {
	zone, record, err := s.record(ctx, c)
	if err == nil {
		_, err = s.provider.DeleteRecords(context.WithoutCancel(ctx), zone, []libdns.Record{record})
	}
	return err
}

// proofPatience is how long to wait until a proof is seen. Then the authority is asked
// all the same: our resolver may remember for longer that there was none.
const proofPatience = 2 * time.Minute

// Wait waits until the world sees the proof.
func (s *dnsSolver) Wait(ctx context.Context, c acme.Challenge) error {
	name, err := world.ParseName(c.DNS01TXTRecordName())
	if err != nil {
		return err
	}
	patience := time.NewTimer(proofPatience)
	defer patience.Stop()
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		texts, _, err := world.LookupTXT(ctx, s.world, name)
		if slices.ContainsFunc(texts, func(t world.TXT) bool { return t.Text == c.DNS01KeyAuthorization() }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the proof at %s was not seen", name), err, ctx.Err())
		case <-patience.C:
			return nil
		case <-time.After(wait):
		}
	}
}

// record is the proof, relative to the zone that holds it.
func (s *dnsSolver) record(ctx context.Context, c acme.Challenge) (zone string, record libdns.TXT, err error) {
	name, err := world.ParseName(c.DNS01TXTRecordName())
	if err != nil {
		return "", record, err
	}
	for cut := name.Parent(); cut.Labels() > 0; cut = cut.Parent() {
		answer, err := s.world.Lookup(ctx, cut, dns.TypeSOA)
		switch {
		case err == nil && answer.Owner() == cut:
			relative := strings.TrimSuffix(strings.TrimSuffix(name.String(), cut.String()), ".")
			return cut.String(), libdns.TXT{Name: relative, Text: c.DNS01KeyAuthorization(), TTL: proofTTL}, nil
		case err != nil && !errors.Is(err, world.ErrNotFound):
			return "", record, err
		}
	}
	return "", record, fmt.Errorf("no zone holds %s", name)
}
