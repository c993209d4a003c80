package authority

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// fault is one name that does not answer as it should, at every server and at the
// resolver: a ";lab fault" line.
type fault struct {
	name   string // may begin with "*."
	qtype  uint16 // dns.TypeANY: every type
	effect effect
}

// effect is what happens to a question.
type effect string

const (
	works     effect = ""
	servfail  effect = "servfail"
	refused   effect = "refused"
	formerr   effect = "formerr"
	drop      effect = "drop"     // silence
	truncated effect = "truncate" // over UDP only the TC bit, the answer over TCP
	slow      effect = "slow"     // the answer comes after slowness
)

var effectCodes = map[effect]int{
	servfail: dns.RcodeServerFailure,
	refused:  dns.RcodeRefused,
	formerr:  dns.RcodeFormatError,
}

func parseFault(name string, words []string) (fault, error) {
	if len(words) != 2 {
		return fault{}, fmt.Errorf("%w: a fault has a name, a type and an effect", ErrText)
	}
	qtype, ok := dns.StringToType[words[0]]
	if !ok {
		return fault{}, fmt.Errorf("%w: %q is no record type", ErrText, words[0])
	}
	f := fault{name: name, qtype: qtype, effect: effect(words[1])}
	switch f.effect {
	case servfail, refused, formerr, drop, truncated, slow:
		return f, nil
	}
	return fault{}, fmt.Errorf("%w: nobody knows the fault %q", ErrText, words[1])
}

// effectOn is what the planted faults do to a question; the last one written wins.
func (a *Authority) effectOn(name string, qtype uint16) effect {
	e := works
	for _, f := range a.faults {
		if (f.qtype == dns.TypeANY || f.qtype == qtype) && matchName(f.name, name) {
			e = f.effect
		}
	}
	return e
}

// quirk is one name server that does not serve one zone as the others do: a
// ";lab server" line. The zero value of each field is the right behaviour.
type quirk struct {
	host string
	zone string // "ANY": all zones

	lame      bool // does not know the zone
	servfail  bool
	drop      bool // silence, over UDP and TCP
	noTCP     bool // closes TCP connections without an answer
	noUDP     bool
	noEDNS    bool // answers FORMERR to any EDNS
	recursive bool // resolves for strangers
	serial    uint32
	mx        string // the only MX it knows at the top of the zone
}

func parseQuirk(host string, words []string) (quirk, error) {
	if len(words) < 2 {
		return quirk{}, fmt.Errorf("%w: a server line has a host, a zone and quirks", ErrText)
	}
	q := quirk{host: host, zone: words[0]}
	if q.zone != "ANY" {
		q.zone = canonical(q.zone)
	}
	flags := map[string]*bool{
		"lame": &q.lame, "servfail": &q.servfail, "drop": &q.drop, "no-tcp": &q.noTCP,
		"no-udp": &q.noUDP, "no-edns": &q.noEDNS, "recursive": &q.recursive,
	}
	for _, word := range words[1:] {
		if number, ok := strings.CutPrefix(word, "serial="); ok {
			serial, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				return q, fmt.Errorf("%w: %q is no serial", ErrText, number)
			}
			q.serial = uint32(serial)
			continue
		}
		if target, ok := strings.CutPrefix(word, "mx="); ok {
			q.mx = canonical(target)
			continue
		}
		flag, ok := flags[word]
		if !ok {
			return q, fmt.Errorf("%w: no server can be %q", ErrText, word)
		}
		*flag = true
	}
	return q, nil
}
