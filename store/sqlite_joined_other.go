//go:build !linux

package store

import "modernc.org/libc"

// joinedFile is for Linux: see there.
type joinedFile struct{}

func (*joinedFile) free(*libc.TLS) {}

func joinLog(*sqliteConn) error  { return nil }
func spareLog(*sqliteConn) error { return nil }
