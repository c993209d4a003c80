package lab

import (
	"maps"

	"github.com/allgreen-mail/allgreen/lab/host"
)

// characters are the mail hosts that are not plainly well run, by name.
func characters() map[string]host.Character {
	all := map[string]host.Character{
		"mx.green.example": {Domains: []string{"nameserver.example"}},
	}
	for _, family := range []map[string]host.Character{} {
		maps.Copy(all, family)
	}
	return all
}
