package check

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// unseen is the finding for something that could not be seen, from the error that
// hid it. It must not be called for world.ErrNotFound: absence is knowledge.
func unseen(subject string, err error) finding.Finding {
	f := finding.Finding{
		Code:     "no-answer",
		Subject:  subject,
		Summary:  fmt.Sprintf("%s could not be judged: %s", subject, err),
		Evidence: []string{evidenceOf(err)},
		Fix:      "Run the check again later; if it stays, look at the name servers or the connection from here.",
	}
	switch {
	case errors.Is(err, world.ErrBogus):
		f.Code = "bogus"
		f.Fix = "Mend DNSSEC of the zone first (see dns.dnssec)."
	case errors.Is(err, errStranger):
		f.Code, f.Fix = "needs-proof", ""
		f.Summary = fmt.Sprintf("%s was not visited: %s", subject, errStranger)
	case errors.Is(err, errReserved), errors.Is(err, errFamily):
		f.Summary = fmt.Sprintf("%s was not visited: %s", subject, err)
		f.Fix = "Run allgreen check on a machine that sends no mail, or give this server an address for it: web.check_from."
	case errors.Is(err, errInside):
		f.Fix = "Run the check from another machine: allgreen check --watch tells what changes."
	case errors.Is(err, errNoListener):
		f.Fix = "Let this audit listen there: port 25 of the probe listener's address must be ours and free, and no other audit may run with it."
	case errors.Is(err, errTooSlow):
		f.Fix = "Let the server greet at once (see smtp.speed), and run the check again."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		f.Code = "out-of-time"
		f.Fix = "Give the check more time with --timeout."
	}
	return f
}

// evidenceOf is the raw form of an error: for lookups the question and who failed
// to answer it.
func evidenceOf(err error) string {
	var lookup *world.LookupError
	if errors.As(err, &lookup) {
		return lookup.Evidence()
	}
	return err.Error()
}

// evidence keeps the non-empty lines.
func evidence(lines ...string) []string {
	var kept []string
	for _, line := range lines {
		if line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}

// one wraps a single finding, as most checks return it.
func one(f finding.Finding) []finding.Finding { return []finding.Finding{f} }

// isRefused reports that the host itself said no: it is up, and nothing listens.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// isNoRoute reports that this machine has no way to the address: not the host's
// fault.
func isNoRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// isAbsence reports that the answer is known, and is no.
func isAbsence(err error) bool { return errors.Is(err, world.ErrNotFound) }
