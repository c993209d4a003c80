package deliver

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

const (
	// graceDoubt is for how long mail waits for the answer whether a domain has an MTA-STS
	// policy. RFC 8461 section 3.3 would send at once; see docs/decisions/0017.
	graceDoubt = 15 * time.Minute
	retryDoubt = 2 * time.Minute
	maxDoubts  = 10000
)

// errDoubt is the error of a need that is not known because of a doubt.
var errDoubt = errors.New("it could not be found out whether the domain has an MTA-STS policy")

// doubts remembers since when the question for the MTA-STS policy of a domain has had no
// answer, where nothing is kept from earlier. An attacker who suppresses the answer gains a
// delay first, and a line in the log.
type doubts struct {
	log *slog.Logger

	mu    sync.Mutex
	since map[mail.Domain]time.Time
}

// heed has mail wait that would otherwise go to hosts which show no certificate, while a
// doubt is young. DANE needs no policy.
func (d *doubts) heed(p *route.Plan, now time.Time) {
	why := doubtful(&p.STS)
	since, young := d.note(p.Domain, why, now)
	if !young {
		return
	}
	for i := range p.Needs {
		if n := &p.Needs[i]; n.Level == route.Opportunistic || n.Level == route.Encrypted {
			n.Level = route.Undetermined
			n.Err = fmt.Errorf("%w (%w); the message goes without one after %s", errDoubt, why, since.Add(graceDoubt).UTC().Format("15:04:05 UTC"))
		}
	}
}

// doubtful is why it is not known whether there is a policy; nil when it is.
func doubtful(s *route.STS) error {
	switch {
	case s.Usable(), errors.Is(s.RecordErr, world.ErrBogus): // which nothing may be sent under
		return nil
	case s.RecordErr != nil && !errors.Is(s.RecordErr, world.ErrNotFound):
		return s.RecordErr
	}
	fetch, failed := errors.AsType[*route.FetchError](s.FetchErr)
	if !failed {
		return nil
	}
	switch fetch.Reason {
	case route.FetchDNS, route.FetchConnect, route.FetchTimeout, route.FetchInterrupted:
		return s.FetchErr
	}
	return nil // the domain says so itself, or cannot do better
}

// note begins, continues or ends a doubt, and reports whether it is young.
func (d *doubts) note(domain mail.Domain, why error, now time.Time) (since time.Time, young bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, known := d.since[domain]
	switch {
	case why == nil:
		delete(d.since, domain)
		return since, false
	case !known || since.After(now):
		if d.since == nil || len(d.since) >= maxDoubts {
			d.since = map[mail.Domain]time.Time{} // all wait once more
		}
		since = now
		d.since[domain] = now
		d.log.Warn("whether a domain has an MTA-STS policy cannot be found out; its mail waits", "domain", domain, "for", graceDoubt, "error", why)
	}
	return since, now.Sub(since) < graceDoubt
}
