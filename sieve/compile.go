package sieve

import (
	"slices"
	"strings"
)

// compiler makes commands and tests of nodes.
type compiler struct {
	script *Script
}

func (c *compiler) fail(at int, format string, args ...any) error {
	return errorAt(c.script.source, at, format, args...)
}

// needs is the error of a thing whose extension the script does not require. Several
// extensions can bring the same thing.
func (c *compiler) needs(at int, what string, extensions ...string) error {
	if slices.ContainsFunc(extensions, c.script.Requires) || len(extensions) == 0 {
		return nil
	}
	return c.fail(at, `%s needs an extension: write require "%s"; at the beginning`, what, extensions[0])
}

// commands compiles one level. Only on the first may require stand, before all else.
func (c *compiler) commands(nodes []*node, top bool) ([]command, error) {
	var all []command
	mayRequire := top
	for i := 0; i < len(nodes); i++ {
		n := nodes[i]
		if n.name == "require" {
			if !mayRequire {
				return nil, c.fail(n.at, `"require" stands at the beginning of the script, before all other commands`)
			}
			if err := c.require(n); err != nil {
				return nil, err
			}
			continue
		}
		mayRequire = false
		if n.name == "if" {
			run, taken, err := c.conditional(nodes[i:])
			if err != nil {
				return nil, err
			}
			all, i = append(all, run), i+taken-1
			continue
		}
		run, err := c.command(n)
		if err != nil {
			return nil, err
		}
		all = append(all, run)
	}
	return all, nil
}

// require notes extensions (RFC 5228 section 3.2).
func (c *compiler) require(n *node) error {
	t, err := c.take(n, signature{arguments: []form{stringList}})
	if err != nil {
		return err
	}
	for _, s := range t.arguments[0].strings {
		if !slices.Contains(extensions, s.text) {
			return c.fail(s.at, `there is no extension "%s" here; there are %s`, s.text, strings.Join(extensions, ", "))
		}
		brings := []string{s.text}
		if s.text == "vacation-seconds" { // RFC 6131 section 2: it brings vacation along
			brings = append(brings, "vacation")
		}
		for _, name := range brings { // each once: every string of the script looks here
			if !c.script.Requires(name) {
				c.script.required = append(c.script.required, name)
			}
		}
	}
	return nil
}

// branch is one arm of a conditional.
type branch struct {
	test     test // nil: else
	commands []command
}

// conditional compiles an "if" with all that belongs to it, and says how many nodes
// that were (section 3.1).
func (c *compiler) conditional(nodes []*node) (_ command, taken int, err error) {
	var branches []branch
	for _, n := range nodes {
		if taken > 0 && n.name != "elsif" && n.name != "else" {
			break
		}
		b, err := c.branch(n)
		if err != nil {
			return nil, 0, err
		}
		branches = append(branches, b)
		if taken++; n.name == "else" {
			break
		}
	}
	return func(r *run) error {
		for _, b := range branches {
			holds := true
			if b.test != nil {
				var err error
				if holds, err = b.test(r); err != nil {
					return err
				}
			}
			if holds {
				return r.all(b.commands)
			}
		}
		return nil
	}, taken, nil
}

func (c *compiler) branch(n *node) (b branch, err error) {
	tests := 1
	if n.name == "else" {
		tests = 0
	}
	if _, err := c.take(n, signature{tests: tests, block: true}); err != nil {
		return b, err
	}
	if tests == 1 {
		if b.test, err = c.test(n.tests[0]); err != nil {
			return b, err
		}
	}
	b.commands, err = c.commands(n.block, false)
	return b, err
}

// command compiles every command but require and if.
func (c *compiler) command(n *node) (command, error) {
	switch n.name {
	case "elsif", "else":
		return nil, c.fail(n.at, `"%s" follows no "if"`, n.name)
	case "stop":
		_, err := c.take(n, signature{})
		return func(*run) error { return errStop }, err
	case "keep":
		return c.keep(n)
	case "discard":
		_, err := c.take(n, signature{})
		return func(r *run) error { r.implicitKeep = false; return nil }, err
	case "fileinto":
		return c.fileInto(n)
	case "redirect":
		return c.redirect(n)
	case "setflag", "addflag", "removeflag":
		return c.changeFlags(n)
	case "set":
		return c.set(n)
	case "vacation":
		return c.vacation(n)
	case "reject", "ereject":
		return nil, c.fail(n.at, `there is no "%s" here: the message was accepted already, and an answer to a forged sender would hurt strangers; use "discard"`, n.name)
	}
	return nil, c.fail(n.at, `there is no command "%s"`, n.name)
}

// test compiles every test.
func (c *compiler) test(n *node) (test, error) {
	switch n.name {
	case "true", "false":
		_, err := c.take(n, signature{})
		return func(*run) (bool, error) { return n.name == "true", nil }, err
	case "not":
		return c.not(n)
	case "allof", "anyof":
		return c.several(n)
	case "address":
		return c.address(n)
	case "envelope":
		return c.envelope(n)
	case "header":
		return c.header(n)
	case "exists":
		return c.exists(n)
	case "size":
		return c.size(n)
	case "body":
		return c.body(n)
	case "hasflag":
		return c.hasFlag(n)
	case "string":
		return c.stringTest(n)
	case "date", "currentdate":
		return c.date(n)
	case "mailboxexists":
		return c.mailboxExists(n)
	case "specialuse_exists":
		return c.specialUseExists(n)
	}
	return nil, c.fail(n.at, `there is no test "%s"`, n.name)
}

func (c *compiler) not(n *node) (test, error) {
	if _, err := c.take(n, signature{tests: 1}); err != nil {
		return nil, err
	}
	inner, err := c.test(n.tests[0])
	return func(r *run) (bool, error) {
		holds, err := inner(r)
		return !holds, err
	}, err
}

// several is allof and anyof: the tests are asked from the left, and no further than
// the answer needs (section 5.2).
func (c *compiler) several(n *node) (test, error) {
	if _, err := c.take(n, signature{tests: many}); err != nil {
		return nil, err
	}
	var inner []test
	for _, t := range n.tests {
		one, err := c.test(t)
		if err != nil {
			return nil, err
		}
		inner = append(inner, one)
	}
	decides := n.name == "anyof"
	return func(r *run) (bool, error) {
		for _, t := range inner {
			if holds, err := t(r); err != nil || holds == decides {
				return holds, err
			}
		}
		return !decides, nil
	}, nil
}
