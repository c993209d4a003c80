package store

import (
	"database/sql"
	"fmt"
	"reflect"
	"time"
)

// assign copies what a column held (nil, int64, float64, string or []byte) to where
// dest points.
func assign(dest, value any) error {
	switch d := dest.(type) {
	case sql.Scanner:
		return d.Scan(value)
	case *any:
		*d = value
		return nil
	case *[]byte:
		return assignBytes(d, value)
	case *time.Time:
		n, ok := value.(int64)
		if !ok {
			return misfit(dest, value)
		}
		*d = FromMicros(n)
		return nil
	}
	to := reflect.ValueOf(dest)
	if to.Kind() != reflect.Pointer || to.IsNil() {
		return fmt.Errorf("scan into a %T: not a pointer", dest)
	}
	return assignKind(to.Elem(), dest, value)
}

func assignBytes(d *[]byte, value any) error {
	switch v := value.(type) {
	case nil:
		*d = nil
	case []byte:
		*d = v
	case string:
		*d = []byte(v)
	default:
		return misfit(d, value)
	}
	return nil
}

// assignKind takes named types for what they are made of, and pointers for columns
// that may be NULL.
func assignKind(to reflect.Value, dest, value any) error {
	if to.Kind() == reflect.Pointer {
		if value == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Interface(), value)
	}
	switch v := value.(type) {
	case int64:
		return assignInt(to, dest, v)
	case float64:
		if to.CanFloat() {
			to.SetFloat(v)
			return nil
		}
	case string:
		return assignText(to, dest, v)
	case []byte:
		return assignText(to, dest, string(v))
	}
	return misfit(dest, value)
}

func assignInt(to reflect.Value, dest any, n int64) error {
	switch {
	case to.CanInt() && !to.OverflowInt(n):
		to.SetInt(n)
	case to.CanUint() && n >= 0 && !to.OverflowUint(uint64(n)):
		to.SetUint(uint64(n))
	case to.CanFloat():
		to.SetFloat(float64(n))
	case to.Kind() == reflect.Bool && (n == 0 || n == 1):
		to.SetBool(n == 1)
	default:
		return misfit(dest, n)
	}
	return nil
}

func assignText(to reflect.Value, dest any, text string) error {
	switch {
	case to.Kind() == reflect.String:
		to.SetString(text)
	case to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8:
		to.SetBytes([]byte(text))
	default:
		return misfit(dest, text)
	}
	return nil
}

func misfit(dest, value any) error {
	if value == nil {
		return fmt.Errorf("scan NULL into a %T", dest)
	}
	return fmt.Errorf("scan a %T into a %T: it does not fit", value, dest)
}
