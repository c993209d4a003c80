package tlsprobe

import (
	"context"
	"fmt"
	"slices"
)

// askOrder offers a suite that is to be phased out before a better one, both known
// to be accepted. A server that has no better one, or nothing to phase out, has
// nothing to choose.
func (s *scanner) askOrder(ctx context.Context) {
	old := filter(s.result.Suites.Accepted, isSuite12)
	worse := slices.IndexFunc(old, func(a Algorithm) bool { return a.Class == PhaseOut || a.Class == Bad })
	better := slices.IndexFunc(old, func(a Algorithm) bool { return a.Class == Good || a.Class == Sufficient })
	if worse < 0 || better < 0 {
		s.result.ServerOrder = Answer{NotApplicable, "nothing to choose between"}
		if !s.result.Suites.Families {
			s.result.ServerOrder = Answer{Unknown, s.result.Suites.Why}
		}
		return
	}
	h := helloFor(s.newestOld())
	h.suites = []uint16{old[worse].ID, old[better].ID}
	r, err := s.ask(ctx, h)
	switch {
	case err != nil:
		s.result.ServerOrder = Answer{Unknown, err.Error()}
	case r.suite == old[better].ID:
		s.result.ServerOrder = Answer{Yes, fmt.Sprintf("%s taken, though %s stood first", old[better].Name, old[worse].Name)}
	default:
		s.result.ServerOrder = Answer{No, fmt.Sprintf("%s taken, though %s was offered", find(suites(), r.suite).Name, old[better].Name)}
	}
}

// askWeakHash offers signatures with SHA-1 and SHA-224 alone. Before TLS 1.2 there
// is nothing else (RFC 5246 section 1.2), in TLS 1.3 there is neither.
func (s *scanner) askWeakHash(ctx context.Context) {
	v := s.newestOld()
	if v == 0 {
		s.result.WeakHash = notBefore13(s.result)
		return
	}
	h := helloFor(v)
	h.signatures = weakSignatures
	h.suites = ids(filter(suites(), func(a Algorithm) bool { return isSuite12(a) && keyExchangeOf(a) != staticKey }))
	r, err := s.ask(ctx, h)
	switch {
	case err != nil:
		s.result.WeakHash = s.refusal(err)
	case v < tls12:
		s.result.WeakHash = Answer{Yes, versionName(v) + " knows only SHA-1 and MD5"}
	case slices.Contains(weakSignatures, r.signature):
		s.result.WeakHash = Answer{Yes, hashName(r.signature)}
	default:
		s.result.WeakHash = Answer{No, "it signs with " + hashName(r.signature) + " although that was not offered"}
	}
}

// hashName is the hash of a signature scheme, by the first octet as TLS 1.2 has it.
func hashName(scheme uint16) string {
	names := map[uint16]string{1: "MD5", 2: "SHA-1", 3: "SHA-224", 4: "SHA-256", 5: "SHA-384", 6: "SHA-512"}
	if name, ok := names[scheme>>8]; ok {
		return name
	}
	return fmt.Sprintf("scheme 0x%04x", scheme)
}
