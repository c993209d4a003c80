package route

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// STS is everything a domain says about MTA-STS: the record, the fetch and the
// policy, each with its own trouble. The zero value has no policy.
type STS struct {
	Domain         mail.Domain
	Records        []string // the TXT records at _mta-sts that are, or nearly are, MTA-STS
	Record         STSRecord
	RecordErr      error // world.ErrNotFound when there is none; temporary; bogus
	RecordProblems []Problem
	Body           []byte // the policy file as fetched
	FetchErr       error  // *FetchError
	Policy         STSPolicy
	PolicyProblems []Problem
}

// Usable reports whether senders act on the policy: one valid record, a policy
// that could be fetched and is valid.
func (s *STS) Usable() bool {
	return s.RecordErr == nil && len(s.Records) == 1 && !HasFatal(s.RecordProblems) &&
		s.FetchErr == nil && s.Body != nil && !HasFatal(s.PolicyProblems)
}

// LookupSTSRecord asks for the record only. A name without any MTA-STS record
// gives world.ErrNotFound in RecordErr, whatever else stands there.
func LookupSTSRecord(ctx context.Context, r world.Resolver, d mail.Domain) STS {
	s := STS{Domain: d}
	s.Records, s.RecordErr = lookupVersion(ctx, r, world.NameOf(d).Under("_mta-sts"), stsVersion)
	if s.RecordErr != nil {
		return s
	}
	s.Record, s.RecordProblems = ParseSTSRecord(s.Records[0])
	s.RecordProblems = append(s.RecordProblems, several(s.Records)...)
	return s
}

// several is the problem of more than one record: senders then take none (RFC
// 8461 section 3.1, RFC 8460 section 3).
func several(records []string) []Problem {
	if len(records) < 2 {
		return nil
	}
	return []Problem{{"several", fmt.Sprintf("there are %d records; senders then use none", len(records)), true}}
}

// LookupSTS asks for the record and, when there is a valid one, fetches and reads
// the policy, as a sender does that has nothing cached (RFC 8461 section 3.3).
func LookupSTS(ctx context.Context, w *world.World, d mail.Domain) STS {
	s := LookupSTSRecord(ctx, w, d)
	if s.RecordErr != nil || HasFatal(s.RecordProblems) {
		return s
	}
	s.Body, s.FetchErr = FetchSTSPolicy(ctx, w, d)
	if s.FetchErr == nil {
		s.Policy, s.PolicyProblems = ParseSTSPolicy(s.Body)
	}
	return s
}

// maxTexts bounds how many TXT records of one name are looked at.
const maxTexts = 100

func lookupVersion(ctx context.Context, r world.Resolver, name world.Name, version string) ([]string, error) {
	texts, answer, err := world.LookupTXT(ctx, r, name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, t := range texts[:min(len(texts), maxTexts)] {
		all = append(all, t.Text)
	}
	picked := pick(all, version)
	if len(picked) == 0 {
		return nil, &world.LookupError{Name: name, Type: answer.Type, Kind: world.ErrNoData,
			Detail: "no record begins with " + version, Security: answer.Security, TTL: answer.TTL, Server: answer.Server}
	}
	return picked, nil
}
