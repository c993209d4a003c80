package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints the module version and the toolchain, as the build recorded them.
func (versionCommand) Run(io streams) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version + " " + info.GoVersion
	}
	_, err := fmt.Fprintln(io.out, "allgreen", version)
	return err
}
