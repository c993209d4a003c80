package config

import (
	"reflect"
	"slices"
	"strings"
)

// field is one key of a table, as its tag says.
type field struct {
	index   int
	key     string
	path    bool // a file name, relative to the file's folder
	effect  Effect
	changes bool // effect is said here
	builtin bool // an absent list stands for a choice made elsewhere
}

// fields are the keys of a table, in their order.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		key, options, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		f := field{index: i, key: key}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "path":
				f.path = true
			case "builtin":
				f.builtin = true
			case "restart":
				f.effect, f.changes = Restart, true
			case "rebind":
				f.effect, f.changes = Rebind, true
			}
		}
		all = append(all, f)
	}
	return all
}

var secretType = reflect.TypeFor[Secret]()

// keys are what may be written in a table; a secret may also come from a file.
func keys(t reflect.Type) []string {
	var all []string
	for _, f := range fields(t) {
		all = append(all, f.key)
		if t.Field(f.index).Type == secretType {
			all = append(all, f.key+"_file")
		}
	}
	return all
}

// isTable reports whether a type is written as a table of our keys.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("toml") != ""
}

// Keys are all keys of the file, dotted, arrays of tables as "device.name".
func Keys() []string {
	var all []string
	var walk func(path string, t reflect.Type)
	walk = func(path string, t reflect.Type) {
		for _, f := range fields(t) {
			inner := t.Field(f.index).Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if isTable(inner) {
				walk(join(path, f.key), inner)
			} else {
				all = append(all, join(path, f.key))
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
	return all
}

// suggest names the key that was probably meant: one of this table that is spelled
// alike, or the same word in another table.
func suggest(key string, valid []string) string {
	if best := nearest(key, valid); best != "" {
		return `did you mean "` + best + `"?`
	}
	for _, full := range Keys() {
		if table, last, ok := cutLast(full); ok && last == key {
			return `it belongs in [` + table + `]`
		}
	}
	if top := nearest(key, keys(reflect.TypeFor[Config]())); top == key {
		return `it belongs at the top, above the first [table]`
	}
	return "the keys here are " + strings.Join(valid, ", ")
}

func cutLast(path string) (table, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// nearest is the candidate with the smallest edit distance, "" when none is near.
func nearest(word string, candidates []string) string {
	if len(word) > 40 {
		return ""
	}
	best, distance := "", len(word)/3+2
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := editDistance(strings.ToLower(word), c); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that make one word the other.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[(i+1)%3], rows[(i-1)%3], rows[i%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
