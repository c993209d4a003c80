package tlsprobe

import (
	"context"
	"errors"
	"slices"
)

// offer asks with some of the algorithms and tells which one the server took.
type offer func(ctx context.Context, some []Algorithm) (chosen uint16, err error)

// sift finds one accepted algorithm of each family: what was taken leaves with its
// whole family, until the server refuses the rest.
func sift(ctx context.Context, rest []Algorithm, ask offer, take func(uint16)) error {
	return narrow(ctx, rest, ask, take, func(rest []Algorithm, a Algorithm) []Algorithm {
		return withoutFamily(rest, a.Family)
	})
}

// drain finds every accepted algorithm: what was taken leaves alone.
func drain(ctx context.Context, rest []Algorithm, ask offer, take func(uint16)) error {
	return narrow(ctx, rest, ask, take, func(rest []Algorithm, a Algorithm) []Algorithm { return without(rest, a.ID) })
}

func narrow(ctx context.Context, rest []Algorithm, ask offer, take func(uint16), leave func([]Algorithm, Algorithm) []Algorithm) error {
	for len(rest) > 0 {
		chosen, err := ask(ctx, rest)
		if err != nil {
			return err
		}
		take(chosen)
		i := slices.IndexFunc(rest, func(a Algorithm) bool { return a.ID == chosen })
		if i < 0 {
			return nil // it takes what was not offered: asking on would never end
		}
		rest = leave(rest, rest[i])
	}
	return nil
}

func (s *scanner) addSuite(id uint16) { s.result.Suites.add(find(suites(), id)) }

func (s *scanner) addGroup(id uint16) {
	if id != 0 {
		s.result.Groups.add(find(groups(), id))
	}
}

// newestOld is the newest version before TLS 1.3 that is accepted, zero for none.
func (s *scanner) newestOld() uint16 {
	if r := s.firstOld(); r != nil {
		return r.version
	}
	return 0
}

// offerSuites asks for suites in one version.
func (s *scanner) offerSuites(v uint16) offer {
	return func(ctx context.Context, some []Algorithm) (uint16, error) {
		h := helloFor(v)
		h.suites = ids(some)
		r, err := s.ask(ctx, h)
		if err != nil {
			return 0, err
		}
		s.addGroup(r.group)
		return r.suite, nil
	}
}

// offerGroups asks for groups in one version; before TLS 1.3 only with suites that
// need one.
func (s *scanner) offerGroups(v uint16) offer {
	return func(ctx context.Context, some []Algorithm) (uint16, error) {
		h := helloFor(v)
		h.groups = ids(some)
		if v < tls13 {
			h.suites = ids(filter(suites(), func(a Algorithm) bool { return keyExchangeOf(a) == ecdhe }))
		}
		r, err := s.ask(ctx, h)
		if err != nil {
			return 0, err
		}
		return r.group, nil
	}
}

// askFamilies finds each family of suites and groups that is accepted: of suites in
// the newest version before TLS 1.3, which has one family only; of groups in TLS 1.3
// all, and before it those that are not good.
func (s *scanner) askFamilies(ctx context.Context) {
	for _, r := range s.first {
		s.addSuite(r.suite)
		s.addGroup(r.group)
	}
	res := s.result
	if v := s.newestOld(); v != 0 {
		rest := withoutFamily(filter(suites(), isSuite12), find(suites(), s.first[v].suite).Family)
		s.note(&res.Suites, sift(ctx, rest, s.offerSuites(v), s.addSuite))
		weak := filter(groups(), func(a Algorithm) bool { return isCurve12(a) && a.Class != Good })
		s.note(&res.Groups, sift(ctx, weak, s.offerGroups(v), s.addGroup))
	}
	if r := s.first[tls13]; r != nil {
		rest := withoutFamily(filter(groups(), isGroup13), find(groups(), r.group).Family)
		s.note(&res.Groups, sift(ctx, rest, s.offerGroups(tls13), s.addGroup))
	}
	s.settleVersions()
	res.Suites.Families = res.Suites.Why == "" && len(res.Suites.Accepted) > 0
	res.Groups.Families = res.Groups.Why == "" && len(res.Suites.Accepted) > 0
	res.PostQuantum = s.postQuantum()
}

// note remembers why a list may lack something: whatever ended the asking, but for
// the refusal that has to end it.
func (s *scanner) note(o *Offered, err error) {
	if err != nil && !s.isRefusal(err) && o.Why == "" {
		o.Why = err.Error()
	}
}

// settleVersions: a version that could not be seen may hide suites of its own.
func (s *scanner) settleVersions() {
	for _, v := range []uint16{tls13, tls12} {
		if a := s.result.Version(v); a.Is == Unknown {
			err := errors.New(versionName(v) + ": " + a.Why)
			s.note(&s.result.Suites, err)
			s.note(&s.result.Groups, err)
		}
	}
}

func (s *scanner) postQuantum() Answer {
	for _, a := range s.result.Groups.Accepted {
		if a.Family == "hybrid" {
			return Answer{Yes, a.Name}
		}
	}
	switch {
	case s.result.Version(tls13).Is == No:
		return Answer{No, "TLS 1.3 is not offered"}
	case !s.result.Groups.Families:
		return Answer{Unknown, s.result.Groups.Why}
	}
	return Answer{No, "no hybrid group is accepted"}
}

// askTheRest completes the lists with the connections that are left.
func (s *scanner) askTheRest(ctx context.Context) {
	res, old := s.result, s.newestOld()
	if s.first[tls13] != nil {
		rest := res.Suites.notYet(filter(suites(), isSuite13))
		s.note(&res.Suites, drain(ctx, rest, s.offerSuites(tls13), s.addSuite))
	}
	if old != 0 {
		rest := res.Suites.notYet(filter(suites(), isSuite12))
		s.note(&res.Suites, drain(ctx, rest, s.offerSuites(old), s.addSuite))
	}
	if s.first[tls13] != nil {
		rest := res.Groups.notYet(filter(groups(), isGroup13))
		s.note(&res.Groups, drain(ctx, rest, s.offerGroups(tls13), s.addGroup))
	}
	if old != 0 {
		rest := res.Groups.notYet(filter(groups(), isCurve12))
		s.note(&res.Groups, drain(ctx, rest, s.offerGroups(old), s.addGroup))
	}
	res.Suites.Complete = res.Suites.Families && res.Suites.Why == ""
	res.Groups.Complete = res.Groups.Families && res.Groups.Why == ""
}
