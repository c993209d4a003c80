package provider

import (
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Meaning is what a reply says.
type Meaning struct {
	Class      string
	Means      string // the class in plain words
	Scope      Scope
	Permanence Permanence
	Provider   string        // id, "" where nobody known answered
	Advice     string        // what to do, in plain words
	Link       string        // where that is done, "" without
	Checks     []string      // ids of checks that look at the cause
	Hold       time.Duration // what the scope should wait; zero: nothing, or at once
	Rule       string        // id, "" when no rule knew it
	Guessed    bool          // made out from codes and words, for want of a rule
}

// patience is the hold of a transient reply that names none.
const patience = 15 * time.Minute

// Classify says what a reply means. The host is the one that answered, zero where
// it is not known: then words in the reply may give it away. A reply without a
// code is understood from its words alone.
func (d *Directory) Classify(reply mail.Reply, host mail.Domain) Meaning {
	if reply.Code != 0 && reply.Code < 400 {
		return d.meaning(Meaning{Class: "sent", Provider: d.idOf(host)})
	}
	text := reply.String()
	if reply.IsZero() {
		text = reply.Text()
	}
	found := d.index.look(text)
	who, known := d.ByMX(host)
	if !known {
		who = d.byWords(found)
	}
	if r := d.match(text, found, who); r != nil {
		return d.byRule(r, reply.Code, who)
	}
	m := d.guesses.guess(reply, text)
	m.Provider = id(who)
	if m.Permanence == Transient && m.Hold == 0 {
		m.Hold = patience
	}
	return d.meaning(m)
}

// byWords is the provider that a reply gives away, nil for none: the first of the
// data whose word is there.
func (d *Directory) byWords(found findings) *Provider {
	for i := range found.providers.each {
		return &d.providers[i]
	}
	return nil
}

// match is the first rule that fits: of the provider, of its kin, of those that
// cannot be mistaken, of those for all.
func (d *Directory) match(text string, found findings, who *Provider) *rule {
	var turns [tiers + 1]bitset
	for i := range found.rules.each {
		turns[tierOf(&d.rules[i], who)].add(i)
	}
	for _, turn := range turns[:tiers] {
		for i := range turn.each {
			if r := &d.rules[i]; r.Pattern.MatchString(text) {
				return r
			}
		}
	}
	return nil
}

const tiers = 4

// tierOf is the turn of a rule, tiers for one that has none.
func tierOf(r *rule, who *Provider) int {
	switch {
	case r.Provider == "":
		return 3
	case who != nil && r.Provider == who.ID:
		return 0
	case who != nil && who.isKin(r.Provider):
		return 1
	case !r.Here:
		return 2
	}
	return tiers
}

func (p *Provider) isKin(id string) bool {
	for _, k := range p.Kin {
		if k == id {
			return true
		}
	}
	return false
}

func (d *Directory) byRule(r *rule, code int, who *Provider) Meaning {
	m := Meaning{
		Class: r.Class, Scope: r.Scope, Permanence: r.permanence(code), Provider: id(who),
		Advice: r.Advice, Link: r.Link, Checks: r.Checks, Hold: r.Hold.Duration, Rule: r.ID,
	}
	if m.Provider == "" {
		m.Provider = r.Provider
	}
	if m.Permanence == Transient && !r.Hold.said {
		m.Hold = patience
	}
	return d.meaning(m)
}

// meaning completes a Meaning from its class.
func (d *Directory) meaning(m Meaning) Meaning {
	c := d.classes[m.Class]
	m.Means = c.Means
	if m.Advice == "" {
		m.Advice = c.Advice
	}
	if len(m.Checks) == 0 {
		m.Checks = c.Checks
	}
	return m
}

func (d *Directory) idOf(host mail.Domain) string {
	p, _ := d.ByMX(host)
	return id(p)
}

func id(p *Provider) string {
	if p == nil {
		return ""
	}
	return p.ID
}
