package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// DMARCReports tell from what receivers have reported whether a domain may be stricter.
type DMARCReports interface {
	// DMARCVerdict weighs the reports about a domain since a time.
	DMARCVerdict(ctx context.Context, d mail.Domain, since time.Time) (DMARCVerdict, error)
}

// DMARCVerdict is what reports say. The zero value is that there are none.
type DMARCVerdict struct {
	Known  bool   // there were enough of them to say
	Allows bool   // mail of the domain's own passes
	Why    string // if not: "12 % of its mail from 198.51.100.7 would fail"
}

// DMARCStep is where a domain stands on the ladder, and how it goes on.
type DMARCStep struct {
	Domain string       `json:"domain"`
	Policy dmarc.Policy `json:"policy"`
	Since  time.Time    `json:"since,omitzero"` // zero: it was not seen in the zone yet
	Next   dmarc.Policy `json:"next,omitempty"` // "" at the top
	Due    time.Time    `json:"due,omitzero"`   // the planned date of the next step
	Top    time.Time    `json:"top,omitzero"`   // the planned date of p=reject
	Asks   bool         `json:"asks,omitempty"` // the next step waits for a person, unless reports allow it
	Held   string       `json:"held,omitempty"` // why it waits though it is due
	Record string       `json:"record"`         // of this policy
}

// stepTime is how long a policy stands before the next: long enough for senders that mail
// once a month to show in a report.
const stepTime = 30 * 24 * time.Hour

// settleTime is how long after a step a weaker record may still be seen: name servers
// follow one another.
const settleTime = 24 * time.Hour

// ladder are the policies from the first to the last.
var ladder = []dmarc.Policy{dmarc.None, dmarc.Quarantine, dmarc.Reject}

// nextPolicy is the next step; "" at the top.
func nextPolicy(p dmarc.Policy) dmarc.Policy {
	if p == dmarc.Reject {
		return ""
	}
	return ladder[p.Strength()+1]
}

// DMARC is where a domain stands.
func (u *Upkeep) DMARC(d mail.Domain) DMARCStep {
	rung, _ := u.Identity.DMARC(d)
	s := DMARCStep{
		Domain: d.String(), Policy: rung.Policy, Since: rung.Since, Next: nextPolicy(rung.Policy), Held: rung.Held,
		Record: identity.DMARCRecord(d, rung.Policy),
	}
	s.Asks = s.Next == dmarc.Reject
	if s.Next == "" || rung.Since.IsZero() {
		return s
	}
	s.Due = rung.Since.Add(stepTime)
	s.Top = rung.Since.Add(stepTime * time.Duration(dmarc.Reject.Strength()-rung.Policy.Strength()))
	return s
}

// Annotate tells in a finding about p=none of a domain of ours when the next policy is
// planned, or why it waits.
func (u *Upkeep) Annotate(f *finding.Finding) {
	d, err := mail.ParseDomain(f.Subject)
	if f.Check != policyCheck || f.Status != finding.Yellow || err != nil || !slices.Contains(u.Identity.Statement().Domains, d) {
		return
	}
	switch step := u.DMARC(d); {
	case step.Policy != dmarc.None:
	case step.Held != "":
		f.Summary += fmt.Sprintf("; p=%s waits: %s", step.Next, step.Held)
	case !step.Due.IsZero():
		f.Summary += fmt.Sprintf("; p=%s is planned for %s", step.Next, step.Due.UTC().Format(time.DateOnly))
	}
}

// policyCheck is the check that turns yellow at p=none.
const policyCheck = "dmarc.policy"

// zoneDMARC is what a zone says of the policy.
type zoneDMARC struct {
	at     world.Name
	set    zone.Set // of texts at the name
	text   string   // the record; "" for none, or several
	policy dmarc.Policy
	alias  string // where a CNAME leads
	life   Life
}

func (u *Upkeep) zoneDMARC(ctx context.Context, d mail.Domain) (z zoneDMARC, err error) {
	var present []zone.Set
	z.at, present, err = u.present(ctx, d, world.NameOf(d), policyName(d))
	if err != nil {
		return z, fmt.Errorf("look at the DMARC record of %s: %w", d, err)
	}
	z.life = LifeOf(d, u.Identity.Records(d), present)
	z.set, z.text = setOf(present, policyName(d), "TXT"), z.life.DMARC
	if alias := setOf(present, policyName(d), "CNAME"); len(alias.Values) > 0 {
		z.alias = alias.Values[0]
		z.text = u.textBehind(ctx, d)
	}
	if record, _ := dmarc.Parse(z.text); record.IsValid() {
		if p, _, _, ok := record.Effective(); ok {
			z.policy = p
			if record.P.Strength() > p.Strength() { // spoilt by another tag, and still what a person wants
				z.policy = record.P
			}
		}
	}
	return z, nil
}

// textBehind is the record that an alias leads to.
func (u *Upkeep) textBehind(ctx context.Context, d mail.Domain) string {
	texts, _, err := world.LookupTXT(ctx, u.World, policyName(d))
	if err != nil || len(texts) != 1 {
		return ""
	}
	return texts[0].Text
}

// lookDMARC takes over what the zone says, and climbs when it is time.
func (u *Upkeep) lookDMARC(ctx context.Context, d mail.Domain) error {
	z, err := u.zoneDMARC(ctx, d)
	if err != nil {
		return err
	}
	before, decided := u.Identity.DMARC(d)
	rung := adopt(before, decided, z, u.World.Now())
	step := nextPolicy(rung.Policy)
	if step != "" && !rung.Since.IsZero() && z.policy == rung.Policy && u.World.Now().Sub(rung.Since) >= stepTime {
		if rung, err = u.climb(ctx, d, rung, step, z); err != nil {
			return err
		}
	}
	if rung == before && decided {
		return nil
	}
	return u.Identity.KeepDMARC(ctx, d, rung)
}

// adopt makes what the zone says count: whoever changes the record by hand has decided.
// Only shortly after a step of ours a weaker one is not believed.
func adopt(rung identity.Rung, decided bool, z zoneDMARC, now time.Time) identity.Rung {
	switch {
	case z.policy == "" && !decided && z.life.Sends:
		return identity.Rung{Policy: dmarc.None}
	case z.policy == "":
		return rung
	case !decided, z.policy.Strength() > rung.Policy.Strength():
		return identity.Rung{Policy: z.policy, Since: now}
	case z.policy == rung.Policy && rung.Since.IsZero():
		rung.Since = now
	case z.policy != rung.Policy && now.Sub(rung.Since) >= settleTime:
		return identity.Rung{Policy: z.policy, Since: now}
	}
	return rung
}

// climb takes the step that is due, or says why it waits.
func (u *Upkeep) climb(ctx context.Context, d mail.Domain, rung identity.Rung, to dmarc.Policy, z zoneDMARC) (identity.Rung, error) {
	verdict := DMARCVerdict{}
	if u.Reports != nil {
		var err error
		if verdict, err = u.Reports.DMARCVerdict(ctx, d, rung.Since); err != nil {
			return rung, fmt.Errorf("weigh the DMARC reports of %s: %w", d, err)
		}
	}
	switch {
	case verdict.Known && !verdict.Allows:
		rung.Held = "reports: " + verdict.Why
	case !verdict.Known && to == dmarc.Reject:
		rung.Held = "no reports are known; a person decides: allgreen dmarc step " + d.String()
		u.ask(ctx, d, &rung, to, z)
	case z.alias != "":
		rung.Held = fmt.Sprintf("the record is an alias of %s, where its owner changes it", strings.TrimSuffix(z.alias, "."))
		u.ask(ctx, d, &rung, to, z)
	case u.Provider == nil:
		rung.Held = "nobody publishes here; change the record by hand"
		u.ask(ctx, d, &rung, to, z)
	default:
		return u.publishPolicy(ctx, d, to, z)
	}
	return rung, nil
}

// ask tells the operator of a step, once.
func (u *Upkeep) ask(ctx context.Context, d mail.Domain, rung *identity.Rung, to dmarc.Policy, z zoneDMARC) {
	if rung.Told == to {
		return
	}
	rung.Told = to
	u.Tell(ctx, fmt.Sprintf("DMARC of %s: p=%s is due", d, to), fmt.Sprintf(`%[1]s has had p=%[2]s since %[3]s, and p=%[4]s is planned next.

It waits, because %[5]s.

If all mail that is sent for %[1]s passes DMARC, publish this text at
%[6]s instead of the one that is there:

    %[7]s

Allgreen sees it when it is there. Where it publishes your records, it does
so itself when you say:

    allgreen dmarc step %[1]s
`, d, rung.Policy, rung.Since.UTC().Format("2006-01-02"), to, rung.Held, policyName(d), withPolicy(z.text, to)))
}

// publishPolicy changes nothing of the record but its policy.
func (u *Upkeep) publishPolicy(ctx context.Context, d mail.Domain, to dmarc.Policy, z zoneDMARC) (identity.Rung, error) {
	after := z.set
	after.Values = slices.Clone(z.set.Values)
	for i, v := range after.Values {
		if v == textValue(z.text) {
			after.Values[i] = textValue(withPolicy(z.text, to))
		}
	}
	if err := u.write(ctx, z.at, []zone.Change{{Before: z.set, After: after}}); err != nil {
		return identity.Rung{}, fmt.Errorf("DMARC of %s: %w", d, err)
	}
	return identity.Rung{Policy: to, Since: u.World.Now()}, nil
}

// withPolicy is a record with another p; its other tags stay as they were written.
func withPolicy(text string, p dmarc.Policy) string {
	tags := strings.Split(text, ";")
	for i, tag := range tags {
		if name, _, _ := strings.Cut(tag, "="); strings.EqualFold(strings.TrimSpace(name), "p") {
			tags[i] = tag[:strings.Index(tag, "=")+1] + string(p)
			return strings.Join(tags, ";")
		}
	}
	return strings.Join(slices.Insert(tags, 1, " p="+string(p)), ";") // RFC 9989 section 4.7: p=none is what is not said
}

// Errors of StepDMARC.
var (
	ErrNoPublisher = errors.New("nobody publishes here")
	ErrNoRecord    = errors.New("there is no DMARC record that could be changed")
)

// StepDMARC takes a step now because a person says so, up or down; "" is the next one.
// The error wraps ErrNoPublisher where it can only say which record to publish.
func (u *Upkeep) StepDMARC(ctx context.Context, d mail.Domain, to dmarc.Policy) (DMARCStep, error) {
	z, err := u.zoneDMARC(ctx, d)
	if err != nil {
		return DMARCStep{}, err
	}
	if to == "" {
		to = nextPolicy(z.policy)
	}
	switch {
	case z.policy == "":
		return DMARCStep{}, fmt.Errorf("%s: %w", d, ErrNoRecord)
	case to == "" || to == z.policy:
		return u.DMARC(d), nil
	case u.Provider == nil || z.alias != "":
		return DMARCStep{}, fmt.Errorf("%w: publish at %s: %s", ErrNoPublisher, policyName(d), withPolicy(z.text, to))
	}
	rung, err := u.publishPolicy(ctx, d, to, z)
	if err == nil {
		err = u.Identity.KeepDMARC(ctx, d, rung)
	}
	return u.DMARC(d), err
}
