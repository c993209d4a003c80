package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// lookAtDomain finds out whether there is a zone to put records into: everything behind it
// would be in vain for a domain that is not registered.
func (s *Setup) lookAtDomain(ctx context.Context, out *Outcome) {
	at, err := zone.Apex(ctx, s.World, world.NameOf(s.Domain))
	switch {
	case err != nil && !errors.Is(err, zone.ErrNoZone):
		out.note(finding.Unknown, fmt.Sprintf("the name servers of %s could not be seen: %s", s.Domain, err), "")
	case err != nil || !at.IsWithin(world.NameOf(s.Domain.Registrable())):
		out.stop(s.Domain.String()+" has no name servers", "register it, and give it the name servers of the registrar or of a DNS provider; then run it again")
	default:
		out.note(finding.Green, fmt.Sprintf("the name servers of %s answer", strings.TrimSuffix(at.String(), ".")), "")
	}
}
