package tlsprobe

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
)

// Algorithm is a cipher suite or a key-exchange group, as the data files have it.
type Algorithm struct {
	ID     uint16 `json:"id"`     // the number on the wire
	Name   string `json:"name"`   // as IANA registers it; P-256 and its like by their common names
	Family string `json:"family"` // what is asked together: "ecdhe-cbc", "rc4", "ffdhe"
	Class  Class  `json:"class"`
}

//go:embed suites.json
var suitesJSON []byte

//go:embed groups.json
var groupsJSON []byte

// The data, in the order of the files: the best first.
var (
	suites = sync.OnceValue(func() []Algorithm { return mustRead(suitesJSON) })
	groups = sync.OnceValue(func() []Algorithm { return mustRead(groupsJSON) })
)

func mustRead(text []byte) []Algorithm {
	var all []Algorithm
	if err := json.Unmarshal(text, &all); err != nil {
		panic("tlsprobe: embedded data: " + err.Error())
	}
	return all
}

// find is the algorithm of a number, or one without class for a number unknown.
func find(all []Algorithm, id uint16) Algorithm {
	for _, a := range all {
		if a.ID == id {
			return a
		}
	}
	return Algorithm{ID: id, Name: fmt.Sprintf("0x%04x", id)}
}

func filter(all []Algorithm, keep func(Algorithm) bool) []Algorithm {
	var kept []Algorithm
	for _, a := range all {
		if keep(a) {
			kept = append(kept, a)
		}
	}
	return kept
}

func without(all []Algorithm, id uint16) []Algorithm {
	return filter(all, func(a Algorithm) bool { return a.ID != id })
}

func withoutFamily(all []Algorithm, family string) []Algorithm {
	return filter(all, func(a Algorithm) bool { return a.Family != family })
}

func ids(all []Algorithm) []uint16 {
	var n []uint16
	for _, a := range all {
		n = append(n, a.ID)
	}
	return n
}

// What TLS 1.3 can negotiate, and what only older versions can.
func isSuite13(a Algorithm) bool { return a.Family == "tls13" }

func isSuite12(a Algorithm) bool { return a.Family != "tls13" }

// isGroup13 leaves out the curves that RFC 8446 section 4.2.7 took away, and the
// brainpool numbers that RFC 8734 replaced.
func isGroup13(a Algorithm) bool {
	return a.Family == "hybrid" || a.Family == "ffdhe" || a.Family == "modern" && (a.ID < 26 || a.ID > 28)
}

// isCurve12 leaves out what only TLS 1.3 has numbers for.
func isCurve12(a Algorithm) bool {
	return a.Family != "hybrid" && a.Family != "ffdhe" && (a.ID < 31 || a.ID > 33)
}
