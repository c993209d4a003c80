package sieve

// node is a command or a test as it is written (RFC 5228 section 8.2).
type node struct {
	name      string
	at        int
	arguments []argument
	tests     []*node
	testsAt   int // where they begin; 0: there are none
	block     []*node
	hasBlock  bool
}

// argument is a tag, a number, a string or a list of strings.
type argument struct {
	kind    kind // tag, number or quoted
	tag     string
	value   int64
	strings []token
	isList  bool // in brackets
	at      int
}

// describe is the argument for people.
func (a argument) describe() string {
	switch {
	case a.isList:
		return "a list"
	case a.kind == tag:
		return `":` + a.tag + `"`
	case a.kind == number:
		return "a number"
	}
	return "a string"
}

// parser makes nodes of tokens.
type parser struct {
	lexer
	limits Limits
	token  token // the next one
	nodes  int
	depth  int
}

func (p *parser) advance() (err error) {
	p.token, err = p.next()
	return err
}

func (p *parser) sees(text string) bool { return p.token.kind == punctuation && p.token.text == text }

// expect takes a punctuation mark.
func (p *parser) expect(text, where string) error {
	if !p.sees(text) {
		return p.fail(p.token.at, "%q is missing %s, before %s", text, where, p.token.describe())
	}
	return p.advance()
}

// commands reads up to the end of the script or of a block.
func (p *parser) commands() ([]*node, error) {
	var all []*node
	for p.token.kind != endOfScript && !p.sees("}") {
		n, err := p.command()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (p *parser) command() (*node, error) {
	n, err := p.begin("a command")
	if err != nil {
		return nil, err
	}
	if err := p.testsOf(n); err != nil {
		return nil, err
	}
	if !p.sees("{") {
		return n, p.expect(";", `behind "`+n.name+`"`)
	}
	return n, p.blockOf(n)
}

// begin reads a name and the arguments behind it.
func (p *parser) begin(what string) (*node, error) {
	if p.token.kind != identifier {
		return nil, p.fail(p.token.at, "%s should stand here, not %s", what, p.token.describe())
	}
	n := &node{name: p.token.text, at: p.token.at}
	if p.nodes++; p.nodes > p.limits.Commands {
		return nil, p.fail(n.at, "%w: over %d commands", ErrTooMuch, p.limits.Commands)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for {
		a, found, err := p.argument()
		if err != nil {
			return nil, err
		}
		if !found {
			return n, nil
		}
		n.arguments = append(n.arguments, a)
	}
}

func (p *parser) argument() (a argument, found bool, err error) {
	t := p.token
	a = argument{kind: t.kind, at: t.at}
	switch {
	case t.kind == tag:
		a.tag = t.text
	case t.kind == number:
		a.value = t.value
	case t.kind == quoted:
		a.strings = []token{t}
	case p.sees("["):
		a.kind, a.isList = quoted, true
		a.strings, err = p.list()
		return a, true, err
	default:
		return a, false, nil
	}
	return a, true, p.advance()
}

// list is strings in brackets; at least one (section 2.4.2.1).
func (p *parser) list() (all []token, err error) {
	for separator := "["; ; separator = "," {
		if err := p.expect(separator, "in the list"); err != nil {
			return nil, err
		}
		if p.token.kind != quoted {
			return nil, p.fail(p.token.at, "a string should stand here, not %s", p.token.describe())
		}
		all = append(all, p.token)
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.sees("]") {
			return all, p.advance()
		}
	}
}

// testsOf reads one test, or several in parentheses.
func (p *parser) testsOf(n *node) error {
	n.testsAt = p.token.at
	if p.token.kind == identifier {
		t, err := p.test()
		n.tests = []*node{t}
		return err
	}
	if !p.sees("(") {
		n.testsAt = 0
		return nil
	}
	for separator := "("; ; separator = "," {
		if err := p.expect(separator, "in the list of tests"); err != nil {
			return err
		}
		t, err := p.test()
		if err != nil {
			return err
		}
		n.tests = append(n.tests, t)
		if p.sees(")") {
			return p.advance()
		}
	}
}

func (p *parser) test() (*node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.higher()
	n, err := p.begin("a test")
	if err != nil {
		return nil, err
	}
	return n, p.testsOf(n)
}

func (p *parser) blockOf(n *node) (err error) {
	if err := p.deeper(); err != nil {
		return err
	}
	defer p.higher()
	n.hasBlock = true
	if err := p.expect("{", "before the block"); err != nil {
		return err
	}
	if n.block, err = p.commands(); err != nil {
		return err
	}
	return p.expect("}", "at the end of the block")
}

func (p *parser) deeper() error {
	if p.depth++; p.depth > p.limits.Depth {
		return p.fail(p.token.at, "%w: over %d levels", ErrTooMuch, p.limits.Depth)
	}
	return nil
}

func (p *parser) higher() { p.depth-- }
