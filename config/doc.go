// Package config reads the one file that says how this server is to run, and gives
// plain values.
//
//	c, err := config.Read("/etc/allgreen/allgreen.toml")
//	var wrong config.Problems
//	if errors.As(err, &wrong) {
//		for _, p := range wrong { fmt.Println(p) } // allgreen.toml:3:1: unknown key "hostnme"; did you mean "hostname"?
//	}
//
// The file is TOML 1.0, and it is read strictly: a key that is not known, a value that
// is no such thing, and two settings that contradict each other are errors, each on
// one line with its place and what to do. All that can be found at once is told at
// once. Five lines make a safe server:
//
//	hostname  = "mx.example.com"
//	domains   = ["example.com"]
//	admin     = "anna@example.com"
//	data      = "/var/lib/allgreen"
//	addresses = ["203.0.113.7", "2001:db8::7"]
//
// Defaults holds what everything else is then, and docs/configuration.md says each key
// in a sentence; a test holds the two together.
//
// Relative paths are relative to the file. A Secret may stand in a file of its own:
// wherever NAME is a secret, NAME_file is a path to it. A Secret prints as "(secret)".
//
// Diff compares two readings and tells for each change whether a reload is enough.
// Only main imports this package; everybody else gets values.
package config
