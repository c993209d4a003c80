package store

import (
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// pieces are bytes that lie in several places and go into one column.
type pieces [][]byte

func (p pieces) size() int {
	n := 0
	for _, b := range p {
		n += len(b)
	}
	return n
}

// join copies the pieces into one.
func (p pieces) join() []byte {
	all := make([]byte, 0, p.size())
	for _, b := range p {
		all = append(all, b...)
	}
	return all
}

// plain turns an argument into nil, int64, float64, string, []byte or pieces.
func plain(arg any) (any, error) {
	switch v := arg.(type) {
	case nil, int64, float64, []byte, pieces:
		return v, nil
	case string:
		return text(v), nil
	case int:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case time.Time:
		return Micros(v), nil
	case driver.Valuer:
		value, err := v.Value()
		if err != nil {
			return nil, err
		}
		return plain(value)
	}
	return plainKind(reflect.ValueOf(arg))
}

// plainKind takes named types for what they are made of.
func plainKind(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d does not fit into a column", v.Uint())
		}
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return text(v.String()), nil
	case reflect.Bool:
		return plain(v.Bool())
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return plain(v.Elem().Interface())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("a %s is nothing a column holds", v.Type())
}

// text makes a string what both engines take as text: octets that are no UTF-8, and
// NUL, become U+FFFD. A hostile peer must not be able to make a transaction fail
// with the greeting that is to be logged in it.
func text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
