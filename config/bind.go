package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// maxSecret bounds a file that holds one secret.
const maxSecret = 64 << 10

// binder puts what TOML says into a Config and notes what does not fit.
type binder struct {
	file     string
	dir      string
	places   *places
	problems Problems
}

func (b *binder) note(path, format string, args ...any) {
	at := b.places.of(path)
	b.problems = append(b.problems, Problem{b.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

// table binds the keys of one table, each to its field.
func (b *binder) table(path string, to reflect.Value, from map[string]any) {
	known := map[string]bool{}
	for _, f := range fields(to.Type()) {
		target := to.Field(f.index)
		known[f.key] = true
		if value, ok := from[f.key]; ok {
			b.value(join(path, f.key), f, target, value)
		}
		if target.Type() == secretType {
			known[f.key+"_file"] = true
			b.secretFile(path, f.key, target, from)
		}
	}
	valid := keys(to.Type())
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if !known[key] {
			b.note(join(path, key), "unknown key %q; %s", clip(key), suggest(key, valid))
		}
	}
}

// clip keeps a stranger's word short; a line stays a line because it is quoted.
func clip(s string) string { return s[:min(len(s), 60)] }

// secretFile reads NAME_file into the secret NAME.
func (b *binder) secretFile(path, key string, to reflect.Value, from map[string]any) {
	name, ok := from[key+"_file"]
	if !ok {
		return
	}
	at := join(path, key+"_file")
	text, isText := name.(string)
	switch _, both := from[key]; {
	case both:
		b.note(at, "%s and %s_file contradict each other; keep one of them", key, key)
	case !isText || text == "":
		b.note(at, "%s_file wants the path of a file as a string", key)
	default:
		secret, err := readSecret(b.resolve(text))
		if err != nil {
			b.note(at, "%v", err)
		}
		to.SetString(secret)
	}
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the secret: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("everybody on this machine may read %s; say: chmod o= %s", path, path)
	case info.Size() > maxSecret:
		return "", fmt.Errorf("%s is too long for a secret", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

func (b *binder) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.dir, path)
}

// value binds one value: a table, a list or a single thing.
func (b *binder) value(path string, f field, to reflect.Value, from any) {
	switch {
	case isTable(to.Type()):
		inner, ok := from.(map[string]any)
		if !ok {
			b.note(path, "%s wants a table: [%s], or %s = { ... }", f.key, path, f.key)
			return
		}
		b.table(path, to, inner)
	case to.Kind() == reflect.Slice:
		b.list(path, f, to, from)
	default:
		if err := b.single(f, to, from); err != nil {
			b.note(path, "%s: %v", f.key, err)
		}
	}
}

func (b *binder) list(path string, f field, to reflect.Value, from any) {
	all, ok := from.([]any)
	switch {
	case !ok && isTable(to.Type().Elem()):
		b.note(path, "%s wants a table for each: [[%s]]", f.key, path)
		return
	case !ok:
		b.note(path, "%s wants a list, in square brackets", f.key)
		return
	}
	list := reflect.MakeSlice(to.Type(), len(all), len(all))
	for i, one := range all {
		b.value(element(path, i), f, list.Index(i), one)
	}
	to.Set(list)
}

// single binds a string, number, boolean, or one of the types made from a string.
func (b *binder) single(f field, to reflect.Value, from any) error {
	switch to.Kind() {
	case reflect.Bool:
		v, ok := from.(bool)
		if !ok {
			return fmt.Errorf("write true or false, without quotes")
		}
		to.SetBool(v)
		return nil
	case reflect.Int, reflect.Uint16:
		return setNumber(to, from)
	}
	text, ok := from.(string)
	if !ok {
		return fmt.Errorf("write it as a string, in quotes")
	}
	if strings.ContainsRune(text, 0) {
		return fmt.Errorf("a NUL has no place here")
	}
	if f.path {
		text = b.resolve(text)
	}
	return setText(to, text)
}

func setNumber(to reflect.Value, from any) error {
	n, ok := from.(int64)
	if !ok {
		return fmt.Errorf("write a whole number, without quotes")
	}
	if n < 0 || to.Kind() == reflect.Uint16 && to.OverflowUint(uint64(n)) || to.Kind() == reflect.Int && to.OverflowInt(n) {
		return fmt.Errorf("%d is out of range", n)
	}
	if to.Kind() == reflect.Int {
		to.SetInt(n)
	} else {
		to.SetUint(uint64(n))
	}
	return nil
}

// setText makes a value of the field's type from a string.
func setText(to reflect.Value, text string) error {
	switch p := to.Addr().Interface().(type) {
	case *mail.Domain:
		return parse(p, text, parseDomain)
	case *mail.Address:
		return parse(p, text, mail.ParseAddress)
	case *netip.Addr:
		return parse(p, text, parseAddr)
	case *netip.Prefix:
		return parse(p, text, parsePrefix)
	case *netip.AddrPort:
		return parse(p, text, parseResolver)
	case *Socket:
		return parse(p, text, ParseSocket)
	case *Size:
		return parse(p, text, ParseSize)
	case *time.Duration:
		return parse(p, text, ParseDuration)
	case *Secret:
		*p = Secret(text)
	case *string:
		*p = text
	default:
		panic(fmt.Sprintf("config: no way to read a %s", to.Type()))
	}
	return nil
}

func parse[T any](to *T, text string, read func(string) (T, error)) error {
	v, err := read(text)
	if err == nil {
		*to = v
	}
	return err
}
