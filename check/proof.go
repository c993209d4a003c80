package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Proof says whether the person who runs the audit controls a host, and so may
// have it asked more than a stranger.
type Proof struct {
	Granted bool
	How     string // "loopback", "allowed", or the name with the token; or why not
}

// ProofLabel is where the proof record stands: a TXT at
// _allgreen-audit.<name>, where the name is the confirmed PTR name of the address
// or the registered domain above it. Only who controls the address can name it, so
// nobody proves control of a stranger by pointing an MX at him.
const ProofLabel = "_allgreen-audit"

// ProofRecord is the text to publish for a token that the person keeps secret.
func ProofRecord(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "v=allgreen1; sha256=" + hex.EncodeToString(sum[:])
}

// Proof tells whether this host may be asked everything.
func (s *Subject) Proof(ctx context.Context, host netip.Addr) Proof {
	switch {
	case s.Options.Ours != nil:
		return s.proofOfOurs(host)
	case s.World.IsLoopback(host) && s.mayDial(host):
		return Proof{true, "loopback"}
	case s.Options.Allowed:
		return Proof{true, "allowed"}
	case s.Options.Token == "":
		return Proof{false, "no proof of control: publish the token of --token, or say --i-am-allowed"}
	}
	return s.hosts.proofs.get(ctx, s.forRun(), host, func(ctx context.Context) Proof { return s.findProof(ctx, host) })
}

func (s *Subject) proofOfOurs(host netip.Addr) Proof {
	if slices.Contains(s.Options.Ours, host) {
		return Proof{true, "our own"}
	}
	return Proof{false, errStranger.Error()}
}

func (s *Subject) findProof(ctx context.Context, host netip.Addr) Proof {
	want := ProofRecord(s.Options.Token)
	for _, name := range s.confirmedNames(ctx, host) {
		for _, at := range []mail.Domain{name, name.Registrable()} {
			texts, _, _ := world.LookupTXT(ctx, s.World, world.NameOf(at).Under(ProofLabel))
			for _, t := range texts {
				if strings.TrimSpace(t.Text) == want {
					return Proof{true, ProofLabel + "." + at.String()}
				}
			}
		}
	}
	return Proof{false, "no " + ProofLabel + " TXT record with this token under the confirmed PTR name"}
}
