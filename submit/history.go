package submit

import (
	"net/netip"
	"time"
)

// slotLength is the grain in which what was sent is counted. After a day it is an
// hour.
const slotLength = 5 * time.Minute

// learned is how long a sender's ways are remembered.
const learned = 28 * 24 * time.Hour

// tally counts what one sender did.
type tally struct {
	Messages   int
	Recipients int // accepted
	Remote     int // of them, elsewhere
	Strangers  int // of those, never written to before
	Refused    int // recipients that do not exist, here or elsewhere
}

func (t *tally) add(o tally) {
	t.Messages += o.Messages
	t.Recipients += o.Recipients
	t.Remote += o.Remote
	t.Strangers += o.Strangers
	t.Refused += o.Refused
}

func (t tally) minus() tally {
	return tally{-t.Messages, -t.Recipients, -t.Remote, -t.Strangers, -t.Refused}
}

// history is what one sender did lately, and what it usually does.
type history struct {
	slots    map[int64]tally            // of the last day, by slot
	usual    int                        // remote recipients of its busiest hour before this day, or what its limit lets expect
	days     int                        // on which it sent, before this day
	hours    [24]int                    // messages by the hour of the day (UTC), before this day
	networks map[netip.Prefix]time.Time // since when it is seen there
	lately   map[netip.Prefix]time.Time // when it was seen there last
	network  netip.Prefix               // where it sends from now; zero: here
	pardoned time.Time                  // what was before is forgiven
	loaded   time.Time
}

func slotOf(t time.Time) int64 { return t.Unix() / int64(slotLength/time.Second) }

// since adds up what was sent since a time; a slot counts whole. What was forgiven
// does not count.
func (h *history) since(t time.Time) tally {
	var sum tally
	for slot, n := range h.slots {
		if slot >= slotOf(t) && (h.pardoned.IsZero() || slot > slotOf(h.pardoned)) {
			sum.add(n)
		}
	}
	return sum
}

// spent is what counts against the limits: all recipients, forgiven or not.
func (h *history) spent(now time.Time) (hour, day int) {
	for slot, n := range h.slots {
		if slot > slotOf(now.Add(-24*time.Hour)) {
			day += n.Recipients
		}
		if slot > slotOf(now.Add(-time.Hour)) {
			hour += n.Recipients
		}
	}
	return hour, day
}

// hadNetworks reports whether the sender was seen anywhere before t. A new sender's
// first network is no sign of anything.
func (h *history) hadNetworks(t time.Time) bool {
	for _, since := range h.networks {
		if since.Before(t) {
			return true
		}
	}
	return false
}

func (h *history) networksSince(t time.Time) int {
	if t.Before(h.pardoned) {
		t = h.pardoned
	}
	n := 0
	for _, last := range h.lately {
		if last.After(t) {
			n++
		}
	}
	return n
}

// knowsHour reports whether the sender ever sent at this time of the day, give or
// take an hour.
func (h *history) knowsHour(now time.Time) bool {
	hour := now.UTC().Hour()
	return h.hours[(hour+23)%24]+h.hours[hour]+h.hours[(hour+1)%24] > 0
}

// networkOf is the network that an address stands for: what one provider gives to
// one place.
func networkOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
