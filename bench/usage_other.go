//go:build !linux

package bench

import (
	"errors"
	"time"
)

// Usage is what a server has used of the machine.
type Usage struct {
	CPU       time.Duration
	RSS       int64
	Peak      int64
	Processes int
}

// UsageOf needs Linux.
func UsageOf(int) (Usage, error) { return Usage{}, errors.ErrUnsupported }
