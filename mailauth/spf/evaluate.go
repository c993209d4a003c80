package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// The limits of RFC 7208 section 4.6.4, and the time of one evaluation.
const (
	maxLookups = 10               // terms that look something up
	maxVoids   = 2                // terms that find nothing
	maxNames   = 10               // hosts of one mx, names of one address
	maxTime    = 20 * time.Second // the least a receiver should allow
)

// Evaluate judges the reverse-path: whether its domain lets the client send. For
// a null reverse-path it is postmaster at the HELO name (RFC 7208 section 2.4).
func Evaluate(ctx context.Context, r world.Resolver, req Request) Evaluation {
	if req.Sender.IsZero() {
		return evaluate(ctx, r, req, MailFrom, heloSender(req.HELO))
	}
	return evaluate(ctx, r, req, MailFrom, req.Sender)
}

// EvaluateHELO judges the HELO name (RFC 7208 section 2.3). Sender does not count.
func EvaluateHELO(ctx context.Context, r world.Resolver, req Request) Evaluation {
	return evaluate(ctx, r, req, HELO, heloSender(req.HELO))
}

// heloSender is postmaster at the HELO name; without a domain when the name is
// none.
func heloSender(helo string) mail.Address {
	d, err := mail.ParseDomain(helo)
	if err != nil {
		return mail.Address{}
	}
	return mail.Address{Local: "postmaster", Domain: d}
}

func evaluate(ctx context.Context, r world.Resolver, req Request, identity string, sender mail.Address) Evaluation {
	e := Evaluation{Identity: identity, Domain: sender.Domain}
	ip := req.IP.Unmap().WithZone("") // section 5: IPv4-mapped is IPv4
	switch {
	case !ip.IsValid():
		e.Result, e.Reason = None, "there is no client address"
		return e
	case sender.Domain.IsZero():
		e.Result, e.Reason = None, noDomain(identity, req, sender)
		return e
	case sender.Domain.Labels() < 2: // section 4.3
		e.Result, e.Reason = None, fmt.Sprintf("%s is not a name of several labels", sender.Domain)
		return e
	}
	if sender.Local == "" {
		sender.Local = "postmaster" // section 4.3
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	c := check{ctx: ctx, resolver: r, req: req, ip: ip, sender: sender, out: &e}
	domain := place{text: sender.Domain.String(), name: world.NameOf(sender.Domain)}
	v := c.host(domain)
	e.Result, e.Mechanism, e.Path, e.Reason = v.result, v.mechanism(), v.path, v.reason
	if v.result == Fail {
		e.Explanation = c.explain(v)
	}
	return e
}

func noDomain(identity string, req Request, sender mail.Address) string {
	switch {
	case sender.Literal.IsValid():
		return "the sender is at an address literal, which has no record"
	case identity == HELO || req.Sender.IsZero():
		return fmt.Sprintf("the HELO name %.80q is not a domain", req.HELO)
	}
	return "the sender has no domain"
}

// place is where an evaluation stands: a domain, and its DNS name.
type place struct {
	text  string // for %{d}: no final dot
	name  world.Name
	depth int // includes and redirects from the start
}

// check is one evaluation under way: check_host() of RFC 7208 section 4.
type check struct {
	ctx      context.Context
	resolver world.Resolver
	req      Request
	ip       netip.Addr
	sender   mail.Address
	out      *Evaluation
	ptr      *pointers // names of the address; nil until asked for
}

// verdict is what check_host() returns for one record.
type verdict struct {
	result Result
	path   []string // terms, from this record down to the one that matched
	reason string   // of none and the errors
	at     place    // whose record decided
	record *Record  // the record that decided
}

func (v verdict) mechanism() string {
	for _, term := range v.path {
		if modifier, _ := splitModifier(term); modifier == "" { // a redirect matches nothing itself
			return term
		}
	}
	if v.result == Neutral {
		return "default" // section 9.1
	}
	return ""
}

// host evaluates the record of a domain.
func (c *check) host(at place) verdict {
	record, v := c.read(at)
	if record == nil {
		return v
	}
	for i := range record.Terms {
		t := &record.Terms[i]
		if !t.IsMechanism() {
			continue
		}
		if v, decided := c.mechanism(t, at); decided {
			v.at, v.record = at, record
			return v
		}
	}
	if t := record.Redirect(); t != nil {
		return c.redirect(t, at)
	}
	return verdict{result: Neutral, at: at, record: record} // section 4.7
}

// read finds the one record of a domain and refuses it for any syntax error
// before anything in it can match (RFC 7208 section 4.6).
func (c *check) read(at place) (*Record, verdict) {
	f := Fetch(c.ctx, c.resolver, at.name)
	step := Step{Depth: at.depth, Domain: at.text, Outcome: StepError}
	v := verdict{at: at}
	switch {
	case f.Err != nil && !errors.Is(f.Err, world.ErrNotFound):
		v.result, v.reason = TempError, f.Err.Error()
	case len(f.Records) == 0:
		if at.depth > 0 && f.Err != nil {
			c.out.Voids++ // of an include or redirect, which is a permerror anyway
		}
		v.result, v.reason = None, fmt.Sprintf("%s has no SPF record", at.text)
	case len(f.Records) > 1:
		v.result, v.reason = PermError, fmt.Sprintf("%s has %d SPF records", at.text, len(f.Records))
	case len(f.Problems) > 0:
		step.Record = f.Record.Text
		v.result, v.reason = PermError, f.Problems[0].String()
	default:
		step.Record, step.Outcome = f.Record.Text, StepRecord
		c.note(step)
		return f.Record, v
	}
	step.Detail = v.reason
	c.note(step)
	return nil, v
}

// mechanism evaluates one mechanism: whether it decides, and what.
func (c *check) mechanism(t *Term, at place) (verdict, bool) {
	line := c.note(Step{Depth: at.depth, Domain: at.text, Term: t.Text, Outcome: StepNoMatch})
	a := c.match(t, at)
	if a.err != "" {
		c.settle(line, StepError, a.reason)
		return verdict{result: a.err, reason: a.reason}, true
	}
	if !a.match {
		c.settle(line, StepNoMatch, a.detail)
		return verdict{}, false
	}
	c.settle(line, StepMatch, a.detail)
	return verdict{result: t.Qualifier.Result(), path: append([]string{t.Text}, a.path...)}, true
}

// redirect goes on with the record of another domain (RFC 7208 section 6.1).
func (c *check) redirect(t *Term, at place) verdict {
	line := c.note(Step{Depth: at.depth, Domain: at.text, Term: t.Text, Outcome: StepFollow})
	there, a := c.target(t, at)
	switch {
	case a.err != "":
		c.settle(line, StepError, a.reason)
		return verdict{result: a.err, reason: a.reason}
	case a.unasked == localPart:
		// RFC 8616 section 4: the term matches nothing, as if it were not there.
		c.settle(line, StepNoMatch, a.detail)
		return verdict{result: Neutral, at: at}
	case a.unasked != "":
		c.settle(line, StepError, a.detail)
		return verdict{result: PermError, reason: a.detail}
	}
	v := c.host(there)
	if v.result == None {
		v.result = PermError
		v.reason = fmt.Sprintf("%s goes nowhere: %s", t.Text, v.reason)
	}
	if len(v.path) > 0 {
		v.path = append([]string{t.Text}, v.path...)
	}
	return v
}

// spend counts a term that looks something up, before it does (RFC 7208 section
// 4.6.4). It says why when no lookup is left.
func (c *check) spend() (why string) {
	if c.out.Lookups == maxLookups {
		return fmt.Sprintf("more than %d terms need a lookup", maxLookups)
	}
	c.out.Lookups++
	return ""
}

// void counts a term that found nothing, and says why when it is one too many.
func (c *check) void() (why string) {
	c.out.Voids++
	if c.out.Voids > maxVoids {
		return fmt.Sprintf("more than %d terms look up what does not exist", maxVoids)
	}
	return ""
}
