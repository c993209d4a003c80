package main

import (
	"fmt"
	"os"
)

// checkConfig keeps the promise of --config that can be kept before there is a
// configuration to read: a file that cannot be opened ends the command, and nobody
// is left to believe that another was obeyed (docs/decisions/0006).
func (c commonFlags) checkConfig(io streams) error {
	if c.Config == "" {
		return nil
	}
	f, err := os.Open(c.Config)
	if err != nil {
		return noInput(err, "--config names the configuration file")
	}
	fmt.Fprintf(io.err, "allgreen: no command reads a configuration yet; %s changes nothing\n", c.Config)
	return f.Close()
}
