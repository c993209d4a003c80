package policy

import (
	"cmp"
	"context"
)

// Stage is one question to a session.
type Stage interface {
	Name() string
	Decide(ctx context.Context, s *Session) Verdict
}

// Moment is when a stage is asked.
type Moment int

// The moments. What Mail decides is answered at RCPT, so that the log knows whose
// mail it was, and is decided once for all recipients.
const (
	Connect Moment = iota
	Mail
	Rcpt
	Data
)

// step is one line of the chain.
type step struct {
	at    Moment
	stage Stage
	// strangers: not asked of a front that speaks LMTP, for it is not the sender's
	// client and has asked already.
	strangers bool
}

// makeChain is the order of all stages. Within a moment the first that does not
// continue decides.
func (p *Policy) makeChain() []step {
	const strangers, everybody = true, false
	return []step{
		{Rcpt, &relay{p.o.Domains, p.o.Hostname}, everybody}, // first, and not to be removed
		{Connect, &crowd{p.rates}, strangers},
		{Rcpt, &patience{p.rates}, strangers},
		{Rcpt, &recipient{p.o}, everybody},
		{Mail, &size{p.o.MaxSize}, everybody},
		{Rcpt, &room{p.o.Room, p.o.MaxSize}, everybody},
		{Rcpt, &company{}, everybody},
		{Rcpt, &role{func(s *Session) bool { return s.Recipient.Exempt }}, everybody}, // accepts: nothing below is asked about postmaster and abuse
		{Mail, &blocklists{p}, strangers},
		{Mail, &names{p}, strangers},
		{Mail, &reverse{p}, strangers},
		{Mail, &helo{p.o}, strangers},
		{Mail, &score{p.weights}, strangers},
		{Rcpt, &greylist{p.o.Greylist, p.weights.Greylist}, strangers},

		{Data, &loops{p.o}, everybody},
		{Data, &roleMessage{p}, everybody}, // accepts: what follows is asked only to know what not to pass on
		{Data, &form{}, everybody},
		{Data, &authorship{p.o}, strangers},
		{Data, &authorNames{p}, strangers},
		{Data, &score{p.weights}, strangers},
	}
}

// Ask asks the stages of a moment. At Rcpt those of Mail are asked in their place
// in the chain, once for a transaction.
func (p *Policy) Ask(ctx context.Context, at Moment, s *Session) Verdict {
	s.Now = p.o.World.Now()
	weighed := Verdict{} // what the score said, where it did not decide
	for i := range p.chain {
		step := &p.chain[i]
		if step.at != at && (step.at != Mail || at != Rcpt) || step.strangers && s.Front {
			continue
		}
		v := p.once(ctx, i, s)
		if v.Action == Continue {
			weighed.Score, weighed.Detail = max(weighed.Score, v.Score), cmp.Or(v.Detail, weighed.Detail)
			continue
		}
		v.Stage = step.stage.Name()
		if v.IsRefusal() {
			v = p.conclude(s, at, v)
		}
		return v
	}
	return weighed
}

// suspects reports whether anybody else than a role address would get the message in Junk
// or not at all.
func (p *Policy) suspects(ctx context.Context, s *Session) (suspected bool, why string) {
	v := p.Opinion(ctx, s)
	return v.Action != Continue, cmp.Or(v.Detail, v.Reason)
}

// Opinion asks, at the end of the data, what the role addresses are spared: what the chain
// would say of the message were it for a person. Continue means the INBOX.
func (p *Policy) Opinion(ctx context.Context, s *Session) Verdict {
	weighed := Verdict{}
	for i := range p.chain {
		step := &p.chain[i]
		_, isRole := step.stage.(*roleMessage)
		if step.at != Mail && step.at != Data || isRole || step.strangers && s.Front {
			continue
		}
		v := p.once(ctx, i, s)
		if v.IsRefusal() || v.Action == Junk {
			v.Stage = step.stage.Name()
			return v
		}
		weighed.Score, weighed.Detail = max(weighed.Score, v.Score), cmp.Or(v.Detail, weighed.Detail)
	}
	return weighed
}

// once asks a stage, and a stage of Mail only the first time in a transaction.
func (p *Policy) once(ctx context.Context, i int, s *Session) Verdict {
	step := &p.chain[i]
	if step.at != Mail {
		return step.stage.Decide(ctx, s)
	}
	if s.early&(1<<i) != 0 {
		return s.verdicts[i]
	}
	v := step.stage.Decide(ctx, s)
	s.early |= 1 << i
	if v.Action != Continue {
		if s.verdicts == nil {
			s.verdicts = make(map[int]Verdict, 1)
		}
		s.verdicts[i] = v
	}
	return v
}

// conclude completes a refusal: where help is, and that it counts.
func (p *Policy) conclude(s *Session, at Moment, v Verdict) Verdict {
	lines := v.Reply.Lines
	v.Reply.Lines = append(lines[:len(lines)-1:len(lines)-1],
		lines[len(lines)-1]+" ["+v.Reason+"]; help: "+p.o.Help)
	if at != Connect && v.Action == Reject {
		p.rates.blame(s.IP, s.Now)
	}
	return v
}
