package check

import (
	"context"

	"github.com/allgreen-mail/allgreen/route"
)

// STS is what the audited domain says about MTA-STS: the record, and the policy as
// a sender fetches it.
func (s *Subject) STS(ctx context.Context) route.STS {
	return s.sts.get(ctx, struct{}{}, func(ctx context.Context) route.STS {
		return route.LookupSTS(ctx, s.World, s.Target.Domain)
	})
}

// TLSRPT is where the audited domain wants reports about TLS.
func (s *Subject) TLSRPT(ctx context.Context) route.TLSRPT {
	return s.tlsrpt.get(ctx, struct{}{}, func(ctx context.Context) route.TLSRPT {
		return route.LookupTLSRPT(ctx, s.World, s.Target.Domain)
	})
}

// isSTSEnforced reports whether an MTA-STS policy of the audited domain makes senders
// refuse a host whose certificate is not right.
func (s *Subject) isSTSEnforced(ctx context.Context) bool {
	if s.Target.Kind != Domain {
		return false
	}
	sts := s.STS(ctx)
	return sts.Usable() && sts.Policy.Mode == route.STSEnforce
}

// Those who are known to hold mail back where a policy asks for it, when they send.
var (
	stsSenders  = []string{"google", "outlook", "microsoft365", "yahoo"}
	daneSenders = []string{"outlook", "microsoft365", "comcast", "gmx"}
)
