package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Effect is what a change needs before it counts. The zero value is a reload.
type Effect int

// The three effects, the gentlest first.
const (
	Reload  Effect = iota // counts for the next session
	Rebind                // sockets are closed and opened
	Restart               // the process must start again
)

// String is the word for people.
func (e Effect) String() string { return [...]string{"reload", "rebind", "restart"}[e] }

// Change is one key that differs between two readings.
type Change struct {
	Key      string // "listen.smtp"
	Old, New string // as text; secrets are hidden
	Effect   Effect
}

// String is the change on one line.
func (c Change) String() string {
	return fmt.Sprintf("%s: %s -> %s (%s)", c.Key, c.Old, c.New, c.Effect)
}

// Diff tells what changed between two readings, in the order of the keys.
func Diff(old, new *Config) []Change {
	return diff("", Reload, reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem())
}

func diff(path string, effect Effect, old, new reflect.Value) []Change {
	var all []Change
	for _, f := range fields(old.Type()) {
		a, b, e, key := old.Field(f.index), new.Field(f.index), effect, join(path, f.key)
		if f.changes {
			e = f.effect
		}
		switch {
		case isTable(a.Type()):
			all = append(all, diff(key, e, a, b)...)
		case !reflect.DeepEqual(a.Interface(), b.Interface()):
			all = append(all, Change{key, f.render(a), f.render(b), e})
		}
	}
	return all
}

// render is the value of a key.
func (f field) render(v reflect.Value) string {
	if f.builtin && v.IsNil() {
		return "built in"
	}
	return render(v)
}

// render is a value as the file would have it, secrets hidden.
func render(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = render(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if isTable(v.Type()) {
		var parts []string
		for _, f := range fields(v.Type()) {
			if inner := v.Field(f.index); !inner.IsZero() {
				parts = append(parts, f.key+" = "+render(inner))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Uint16:
		return fmt.Sprint(v.Interface())
	}
	if _, ok := v.Interface().(Size); !ok && v.IsZero() {
		return `""`
	}
	return fmt.Sprintf("%q", fmt.Sprint(v.Interface()))
}
