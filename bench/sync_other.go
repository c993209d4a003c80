//go:build !linux

package bench

import "os"

// syncData makes the octets safe.
func syncData(f *os.File) error { return f.Sync() }
