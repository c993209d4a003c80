package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestDocumentation holds docs/configuration.md to the struct: every key, its default,
// what a change needs, and a sentence.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	var order []string
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); strings.HasPrefix(line, "| `") && len(cells) == 4 {
			key := strings.Trim(cells[0], "| `")
			rows[key] = cells
			order = append(order, key)
		}
	}
	defaults := documentedDefaults()
	for _, key := range Keys() {
		row, ok := rows[key]
		if !ok {
			t.Errorf("docs/configuration.md does not say what %s means", key)
			continue
		}
		if want := defaults[key]; strings.Trim(row[1], "`") != want.text && row[1] != "needed" {
			t.Errorf("%s: default %s, want %s", key, row[1], want.text)
		}
		if want := defaults[key].effect.String(); row[2] != want {
			t.Errorf("%s: a change needs a %s, want %s", key, row[2], want)
		}
		if secret := strings.Contains(row[3], "*secret*"); secret != defaults[key].secret {
			t.Errorf("%s: secret is %v", key, secret)
		}
		if sentence := strings.TrimSuffix(row[3], " |"); len(sentence) < 9 || !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s: %q is no sentence", key, sentence)
		}
	}
	if slices.Sort(order); len(order) != len(slices.Compact(slices.Clone(order))) || len(rows) != len(Keys()) {
		t.Errorf("docs/configuration.md has %d keys, the struct %d", len(order), len(Keys()))
	}
}

type documented struct {
	text   string
	effect Effect
	secret bool
}

func documentedDefaults() map[string]documented {
	all := map[string]documented{}
	var walk func(path string, e Effect, v reflect.Value)
	walk = func(path string, e Effect, v reflect.Value) {
		for _, f := range fields(v.Type()) {
			inner, effect := v.Field(f.index), e
			if f.changes {
				effect = f.effect
			}
			if inner.Kind() == reflect.Slice && isTable(inner.Type().Elem()) {
				inner = reflect.Zero(inner.Type().Elem())
			}
			if isTable(inner.Type()) {
				walk(join(path, f.key), effect, inner)
				continue
			}
			all[join(path, f.key)] = documented{f.render(inner), effect, inner.Type() == secretType}
		}
	}
	walk("", Reload, reflect.ValueOf(Defaults()).Elem())
	return all
}

// TestDocumentedExample reads the five lines of the page.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```toml\n")
	example, _, ok := strings.Cut(rest, "```")
	if _, err := Parse("page", "/", []byte(example)); err != nil || !ok || strings.Count(example, "\n") != 5 {
		t.Errorf("the page's five lines: %v", err)
	}
}
