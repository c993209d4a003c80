package main

import (
	"fmt"
	"runtime/debug"
)

// versionCommand tells what was built.
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (versionCommand) Examples() string { return "allgreen version --json" }

// Run prints the module version and the toolchain, as the build recorded them.
func (c versionCommand) Run(io streams) error {
	version, toolchain := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, toolchain = info.Main.Version, info.GoVersion
	}
	if c.JSON {
		return printJSON(io.out, map[string]string{"version": version, "go": toolchain})
	}
	_, err := fmt.Fprintln(io.out, "allgreen", version, toolchain)
	return err
}
