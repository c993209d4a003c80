package sieve

import (
	"errors"
	"fmt"
	"strings"
)

// errStop ends a run without an error.
var errStop = errors.New("stop")

// run is one run of a script.
type run struct {
	script       *Script
	message      *Message
	steps        int
	actions      Actions
	implicitKeep bool
	variables    map[string]string
	matched      []string            // ${0}, ${1}, ...
	flags        []string            // the internal variable of RFC 5232
	read         map[string][]string // what body tests have read of the body, by what they want
}

// Run asks the script what to do with a message. An error means that the script
// cannot be trusted with it: the message is to be kept, as if there were no script
// (RFC 5228 section 2.10.6).
func (s *Script) Run(m *Message) (Actions, error) {
	r := &run{script: s, message: m, implicitKeep: true}
	if err := r.all(s.commands); err != nil && !errors.Is(err, errStop) {
		return Actions{}, err
	}
	if r.implicitKeep { // RFC 5232 section 5: with the flags of the internal variable
		if err := r.file(File{Implicit: true, Flags: r.flags}); err != nil {
			return Actions{}, err
		}
	}
	return r.actions, nil
}

func (r *run) all(commands []command) error {
	for _, c := range commands {
		if err := r.spend(1); err != nil {
			return err
		}
		if err := c(r); err != nil {
			return err
		}
	}
	return nil
}

// fail is an error at a place of the script.
func (r *run) fail(at int, format string, args ...any) error {
	return errorAt(r.script.source, at, format, args...)
}

// spend counts work.
func (r *run) spend(octets int) error {
	if r.steps += octets; r.steps > r.script.limits.Steps {
		return fmt.Errorf("%w: it took too long", ErrTooMuch)
	}
	return nil
}

// say puts the variables into a text. An unknown one is empty (RFC 5229 section 3).
func (r *run) say(t text) (string, error) {
	if s, ok := t.constant(); ok {
		return s, nil
	}
	var b strings.Builder
	for _, p := range t.pieces {
		switch {
		case p.number >= 0 && p.number < len(r.matched):
			b.WriteString(r.matched[p.number])
		case p.number >= 0:
		case p.name != "":
			b.WriteString(r.variables[p.name])
		default:
			b.WriteString(p.constant)
		}
	}
	said := clip(b.String(), r.script.limits.Value)
	return said, r.spend(len(said))
}

// sayAll says each of a list.
func (r *run) sayAll(texts []text) ([]string, error) {
	all := make([]string, len(texts))
	for i, t := range texts {
		var err error
		if all[i], err = r.say(t); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// clip cuts a text that is too long, between characters (RFC 5229 section 6).
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 {
		limit--
	}
	return s[:limit]
}
