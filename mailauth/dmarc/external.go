package dmarc

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Permission is whether reports may go to a place. The zero value is
// PermissionUnknown: a lookup failed, and later may say more.
type Permission int

// The permissions.
const (
	PermissionUnknown Permission = iota
	Permitted
	Forbidden
)

// String is "unknown", "permitted" or "forbidden".
func (p Permission) String() string { return [...]string{"unknown", "permitted", "forbidden"}[p] }

// ReportAuthorization is whether the receiver of reports agreed to get them, and
// how that was found out.
type ReportAuthorization struct {
	Permission  Permission
	Internal    bool        // same organization: nobody needs to be asked
	Destination mail.Domain // the host that reports would reach
	Name        world.Name  // where consent was looked for; "" when nobody was asked
	Records     []*Record   // the consents found there
	Override    []URI       // the mailboxes that the destination wants them sent to instead
	Reason      string      // one sentence
	Err         error       // the failure behind PermissionUnknown
}

// AuthorizeReport asks whether reports about a domain may go to a URI of its rua or
// ruf (RFC 9990, "Verifying External Destinations"). The domain is the one at which
// the policy was found. A destination of the same organization needs no consent;
// another one must publish a DMARC record at <domain>._report._dmarc.<destination>.
func AuthorizeReport(ctx context.Context, r world.Resolver, policyDomain mail.Domain, u URI) ReportAuthorization {
	a := ReportAuthorization{Destination: u.Host}
	if u.Host.IsZero() {
		a.forbid("%.80q names no host that could consent", u.Text)
		return a
	}
	same, err := sameOrganization(ctx, r, policyDomain, u.Host)
	if err != nil {
		a.Err, a.Reason = err, "the organization of the destination is not known: "+err.Error()
		return a
	}
	if same {
		a.Permission, a.Internal, a.Reason = Permitted, true, "the destination belongs to the same organization"
		return a
	}
	a.ask(ctx, r, policyDomain)
	return a
}

func sameOrganization(ctx context.Context, r world.Resolver, a, b mail.Domain) (bool, error) {
	if a == b {
		return true, nil
	}
	if !shareTop(a, b) {
		return false, nil
	}
	ask := stepsOf(r, nil)
	mine, theirs := walk(ctx, ask, a), walk(ctx, ask, b)
	orgA, _ := mine.OrgDomain()
	orgB, _ := theirs.OrgDomain()
	return orgA == orgB, errors.Join(mine.Err, theirs.Err)
}

// ask looks for the consent. One record is enough; what others stand beside it
// does not matter.
func (a *ReportAuthorization) ask(ctx context.Context, r world.Resolver, policyDomain mail.Domain) {
	name, err := world.ParseName(string(world.NameOf(a.Destination).Under(policyDomain.String() + "._report._dmarc")))
	if err != nil {
		a.forbid("the name that would hold the consent is too long for the DNS")
		return
	}
	a.Name = name
	texts, _, err := world.LookupTXT(ctx, r, name)
	switch {
	case errors.Is(err, world.ErrNotFound):
		a.forbid("%s does not consent: there is no record at %s", a.Destination, name.Text())
		return
	case err != nil:
		a.Err, a.Reason = err, "the consent could not be looked up: "+err.Error()
		return
	}
	for _, t := range texts {
		if record, _ := Parse(t.Text); record.IsValid() {
			a.Records = append(a.Records, record)
		}
	}
	a.weigh()
}

// weigh judges the consents found. A rua in one of them moves the reports, but only
// within the same host.
func (a *ReportAuthorization) weigh() {
	if len(a.Records) == 0 {
		a.forbid("%s does not consent: nothing at %s is a DMARC record", a.Destination, a.Name.Text())
		return
	}
	for _, record := range a.Records {
		for _, u := range record.RUA {
			if u.IsValid() && u.Host != a.Destination {
				a.Override = nil
				a.forbid("the consent at %s moves the reports to another host, %s", a.Name.Text(), orNowhere(u.Host))
				return
			}
			if !u.Mailbox.IsZero() {
				a.Override = append(a.Override, u)
			}
		}
	}
	a.Permission, a.Reason = Permitted, fmt.Sprintf("%s consents at %s", a.Destination, a.Name.Text())
}

func (a *ReportAuthorization) forbid(format string, args ...any) {
	a.Permission, a.Reason = Forbidden, fmt.Sprintf(format, args...)
}
