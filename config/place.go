package config

import (
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in the file.
type place struct{ line, column int }

// places maps the path of a key or value, "listen.smtp[0]", to where it stands.
type places struct {
	at     map[string]place
	counts map[string]int // of the tables in each array of tables
	parser unstable.Parser
}

// maxNesting is deeper than any key of ours; what lies below has the place of what
// holds it.
const maxNesting = 8

// findPlaces walks a document that is known to be valid TOML.
func findPlaces(document []byte) *places {
	p := &places{at: map[string]place{}, counts: map[string]int{}}
	p.parser.Reset(document)
	table := ""
	for p.parser.NextExpression() {
		switch e := p.parser.Expression(); e.Kind {
		case unstable.Table:
			table = p.key("", e.Key())
		case unstable.ArrayTable:
			table = p.arrayTable(e)
		case unstable.KeyValue:
			p.keyValue(table, e, 0)
		}
	}
	return p
}

// key notes the parts of a dotted key and gives the path of the last.
func (p *places) key(path string, parts unstable.Iterator) string {
	for depth := 0; parts.Next() && depth < maxNesting; depth++ {
		node := parts.Node()
		path = p.inside(join(path, string(node.Data)))
		p.note(path, node)
	}
	return path
}

// inside is the path of what a table header means by an array of tables: its last one.
func (p *places) inside(path string) string {
	if n := p.counts[path]; n > 0 {
		return element(path, n-1)
	}
	return path
}

func (p *places) arrayTable(e *unstable.Node) string {
	path, parts := "", e.Key()
	for depth := 0; parts.Next() && depth < maxNesting; depth++ {
		node := parts.Node()
		path = join(path, string(node.Data))
		p.note(path, node)
		if parts.IsLast() {
			p.counts[path]++
		}
		path = p.inside(path)
		p.note(path, node)
	}
	return path
}

func (p *places) keyValue(table string, e *unstable.Node, depth int) {
	path, parts := table, e.Key()
	for ; parts.Next() && depth < maxNesting; depth++ {
		node := parts.Node()
		path = join(path, string(node.Data))
		p.note(path, node)
	}
	p.value(path, e.Value(), depth)
}

// value notes the elements of arrays and tables; a value itself is known by its key.
func (p *places) value(path string, v *unstable.Node, depth int) {
	switch {
	case depth >= maxNesting:
	case v.Kind == unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			p.note(element(path, i), it.Node())
			p.value(element(path, i), it.Node(), depth+1)
		}
	case v.Kind == unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			p.keyValue(path, it.Node(), depth)
		}
	}
}

// note keeps the first place; nodes that have no place of their own keep none.
func (p *places) note(path string, node *unstable.Node) {
	if _, known := p.at[path]; known || node.Raw.Length == 0 {
		return
	}
	start := p.parser.Shape(node.Raw).Start
	p.at[path] = place{start.Line, start.Column}
}

// of is the place of a path, or of what holds it.
func (p *places) of(path string) place {
	for path != "" {
		if at, ok := p.at[path]; ok {
			return at
		}
		path = parent(path)
	}
	return place{}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent cuts the last key or index off.
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}
