package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Result is the outcome for one message, in the words of RFC 9989 section 9.2. The
// zero value is no result.
type Result string

// The results.
const (
	ResultPass      Result = "pass"      // an authenticated identifier aligns with the author's domain
	ResultFail      Result = "fail"      // there is a policy, and none does
	ResultNone      Result = "none"      // there is no policy record
	ResultTempError Result = "temperror" // a lookup failed that the answer depends on: DMARC's own, SPF's or DKIM's
	ResultPermError Result = "permerror" // no single author domain, or a record that cannot be applied
)

// Identifier is one identity that another mechanism judged, as plain words.
type Identifier struct {
	Domain mail.Domain // SPF: that of MAIL FROM, or of HELO for the null reverse-path; DKIM: d=
	Result string      // that mechanism's own word; only "pass" counts, and "temperror" leaves it open
}

// Evidence is what SPF and DKIM found out about one message.
type Evidence struct {
	SPF  Identifier // the zero value: not judged
	DKIM []Identifier
}

// Aligned is one identifier seen from the author's domain.
type Aligned struct {
	Method     string // "spf" or "dkim"
	Identifier Identifier
	Mode       Alignment
	Holds      bool  // it passed, and it aligns
	Err        error // not known: the walk from its domain failed, or its own lookup and it would align
}

// Evaluation is DMARC's judgement of one message. Result, policy, policy domain
// and disposition are four different things; the package comment tells them apart.
type Evaluation struct {
	Result      Result
	Author      mail.Domain
	Discovery   Discovery
	Published   Policy // p, sp or np, as Discovery.Source says
	Applied     Policy // after test mode
	Disposition Policy // Applied for a message that fails, none for every other
	SPFAligned  bool   // SPF passed for an aligned domain
	DKIMAligned bool   // at least one signature passed for an aligned domain
	Identifiers []Aligned
	Reasons     []string // why, a sentence each
	Err         error    // the failure behind a temperror
}

// maxWalks bounds the tree walks that the signatures of one message can cause;
// what lies behind them does not align.
const maxWalks = 10

// ErrUndecided is the error of an identifier that would align, and of which SPF or
// DKIM itself does not know for now whether it passes.
var ErrUndecided = errors.New("a temporary error kept it from being verified")

// What stands in the way of a single author domain (RFC 9989 section 5.3.1).
var (
	ErrNoAuthor    = errors.New("no author domain in the From field")
	ErrManyAuthors = errors.New("more than one author domain")
	ErrManyFroms   = errors.New("more than one From field")
)

// AuthorDomain is the one domain that the From field claims. It takes the number of
// From fields and the domains of all mailboxes in them; several mailboxes of one
// domain are one author. A mailbox without a domain of its own (an address
// literal, an unreadable one) comes as the zero domain and is no author.
func AuthorDomain(fields int, domains []mail.Domain) (mail.Domain, error) {
	switch {
	case fields == 0 || len(domains) == 0:
		return mail.Domain{}, ErrNoAuthor
	case fields > 1:
		return mail.Domain{}, ErrManyFroms
	}
	for _, d := range domains[1:] {
		if d != domains[0] {
			return mail.Domain{}, ErrManyAuthors
		}
	}
	if domains[0].IsZero() {
		return mail.Domain{}, ErrNoAuthor
	}
	return domains[0], nil
}

// NoAuthor is the evaluation of a message whose From field AuthorDomain refused:
// there is nobody whose policy could be asked.
func NoAuthor(err error) Evaluation {
	return Evaluation{Result: ResultPermError, Disposition: None, Reasons: []string{err.Error()}}
}

// Evaluate judges one message by what was discovered for its author domain. It asks
// the DNS only for the organizational domains of identifiers that passed, differ
// from the author's domain, and could align.
func Evaluate(ctx context.Context, r world.Resolver, d Discovery, by Evidence) Evaluation {
	e := Evaluation{Author: d.Author, Discovery: d, Published: d.Policy, Applied: d.Applied(), Disposition: None}
	switch {
	case d.Err != nil:
		e.fail(d.Err, "the policy is not known")
		return e
	case d.Record == nil:
		e.Result = ResultNone
		e.because(d.Author.String(), " has no DMARC policy")
		return e
	case !d.HasPolicy() && d.ExistenceErr == nil:
		e.Result = ResultPermError
		e.because("the record at ", d.Step.Name.Text(), " has no usable policy and no address for reports: DMARC does not apply")
		return e
	}
	e.because("the policy is ", string(orUnknown(d.Policy)), ", from ", string(d.Source), " of ", d.PolicyDomain().String())
	e.align(ctx, r, by)
	e.conclude()
	return e
}

// align compares every identifier with the author's domain. SPF comes first, so
// that no number of signatures can use up its walk.
func (e *Evaluation) align(ctx context.Context, r world.Resolver, by Evidence) {
	a := aligner{discovery: &e.Discovery, ask: stepsOf(r, e.Discovery.Walk.Steps), known: map[mail.Domain]alignment{}}
	if by.SPF.Result != "" {
		e.add(a.judge(ctx, "spf", by.SPF, e.Discovery.Record.ASPF))
	}
	for _, s := range by.DKIM {
		e.add(a.judge(ctx, "dkim", s, e.Discovery.Record.ADKIM))
	}
}

func (e *Evaluation) add(a Aligned) {
	e.Identifiers = append(e.Identifiers, a)
	e.SPFAligned = e.SPFAligned || a.Holds && a.Method == "spf"
	e.DKIMAligned = e.DKIMAligned || a.Holds && a.Method == "dkim"
	id := a.Identifier
	switch {
	case errors.Is(a.Err, ErrUndecided):
		e.because(a.Method, " for ", id.Domain.String(), ", which aligns (", a.Mode.String(), "): ", id.Result)
	case id.Result != "pass" && a.Err == nil:
		e.because(a.Method, " for ", orNowhere(id.Domain), ": ", id.Result)
	case a.Err != nil:
		e.because(a.Method, " for ", id.Domain.String(), ": ", id.Result, ", and its alignment is not known: ", a.Err.Error())
	case a.Holds:
		e.because(a.Method, " passed for ", id.Domain.String(), ", which aligns (", a.Mode.String(), ")")
	default:
		e.because(a.Method, " passed for ", id.Domain.String(), ", which does not align (", a.Mode.String(), ")")
	}
}

// conclude draws the result. A lookup that failed leaves it open unless another
// identifier aligns anyway: a message of which SPF or DKIM could not decide has not
// failed, so the policy is not applied to it (RFC 9989 section 5.3.6).
func (e *Evaluation) conclude() {
	if e.SPFAligned || e.DKIMAligned {
		e.Result = ResultPass
		return
	}
	for _, a := range e.Identifiers {
		if a.Err != nil {
			e.fail(a.Err, "it is not known whether the message passes")
			return
		}
	}
	if e.Discovery.ExistenceErr != nil {
		e.fail(e.Discovery.ExistenceErr, "it is not known whether "+e.Author.String()+" exists, and so which policy holds")
		return
	}
	e.Result, e.Disposition = ResultFail, e.Applied
	if e.Applied != e.Published {
		e.because("test mode (t=y) lowers the policy to ", string(e.Applied))
	}
}

func (e *Evaluation) fail(err error, what string) {
	e.Result, e.Err = ResultTempError, err
	e.because(what, ": ", err.Error())
}

// because adds a reason. It is joined rather than formatted: every message has some.
func (e *Evaluation) because(parts ...string) {
	e.Reasons = append(e.Reasons, strings.Join(parts, ""))
}

func orUnknown(p Policy) Policy {
	if p == "" {
		return "not known"
	}
	return p
}

// alignment is whether a domain aligns in relaxed mode, or why that is not known.
type alignment struct {
	holds bool
	err   error
}

// aligner remembers what it walked for one message.
type aligner struct {
	discovery *Discovery
	ask       lookup
	known     map[mail.Domain]alignment
}

// judge tells whether an identifier speaks for the author. One that ended in a
// temporary error might have passed: where it would align, nobody knows.
func (a *aligner) judge(ctx context.Context, method string, id Identifier, mode Alignment) Aligned {
	j := Aligned{Method: method, Identifier: id, Mode: mode}
	if id.Domain.IsZero() || id.Result != "pass" && id.Result != "temperror" {
		return j
	}
	would := alignment{holds: id.Domain == a.discovery.Author}
	if !would.holds && mode != Strict {
		would = a.relaxed(ctx, id.Domain)
	}
	switch {
	case would.err != nil:
		j.Err = would.err
	case would.holds && id.Result == "temperror":
		j.Err = fmt.Errorf("%s of %s: %w", method, id.Domain, ErrUndecided)
	default:
		j.Holds = would.holds
	}
	return j
}

// relaxed compares the organizational domains (RFC 9989 section 4.10.2). An
// organizational domain contains its identifier, so only identifiers within the
// author's need a walk.
func (a *aligner) relaxed(ctx context.Context, d mail.Domain) alignment {
	org := a.discovery.OrgDomain
	switch {
	case org.IsZero() && !shareTop(d, a.discovery.Author):
		return alignment{}
	case org.IsZero():
		return alignment{err: a.discovery.Walk.Err}
	case !d.IsWithin(org):
		return alignment{}
	}
	known, ok := a.known[d]
	if !ok && len(a.known) < maxWalks {
		w := walk(ctx, a.ask, d)
		mine, _ := w.OrgDomain()
		known = alignment{mine == org, w.Err}
		a.known[d] = known
	}
	return known
}

// shareTop reports whether two domains can have a common organization at all.
func shareTop(a, b mail.Domain) bool {
	top := func(d mail.Domain) string { return d.String()[strings.LastIndexByte(d.String(), '.')+1:] }
	return top(a) == top(b)
}
