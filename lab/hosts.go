package lab

import (
	"maps"

	"github.com/allgreen-mail/allgreen/lab/host"
)

// characters are the mail hosts that are not plainly well run, by name.
func characters() map[string]host.Character {
	all := map[string]host.Character{}
	for _, family := range []map[string]host.Character{
		politeHosts(), relayHosts(), tlsHosts(), rudeHosts(), strangeHosts(), worstHosts(),
	} {
		maps.Copy(all, family)
	}
	return all
}
