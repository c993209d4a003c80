package reputation

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// lists is a resolver that plays blocklists. A key of a is "name." or "*.zone.";
// the value is addresses, or the word "timeout" or "bogus"; txt holds texts. What
// is not there does not exist. It counts what it is asked.
type lists struct {
	a, txt map[string]string

	mu    sync.Mutex
	asked map[string]int
}

func (r *lists) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	r.mu.Lock()
	if r.asked == nil {
		r.asked = make(map[string]int)
	}
	r.asked[string(name)+" "+world.TypeName(qtype)]++
	r.mu.Unlock()
	fail := func(kind error) (*world.Answer, error) {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: kind}
	}
	values := r.a
	if qtype == dns.TypeTXT {
		values = r.txt
	}
	value, ok := find(values, string(name))
	switch {
	case value == "timeout":
		return fail(world.ErrTemporary)
	case value == "bogus":
		return fail(world.ErrBogus)
	case value == "empty" || ok && qtype == dns.TypeSOA:
		return fail(world.ErrNoData)
	case !ok:
		return fail(world.ErrNoName)
	}
	answer := &world.Answer{Name: name, Type: qtype, Server: netip.MustParseAddrPort("127.0.0.53:53")}
	header := dns.RR_Header{Name: string(name), Rrtype: qtype, Class: dns.ClassINET}
	if qtype == dns.TypeTXT {
		answer.Records = []dns.RR{&dns.TXT{Hdr: header, Txt: []string{value}}}
		return answer, nil
	}
	for ip := range strings.FieldsSeq(value) {
		answer.Records = append(answer.Records, &dns.A{Hdr: header, A: netip.MustParseAddr(ip).AsSlice()})
	}
	return answer, nil
}

func find(values map[string]string, name string) (string, bool) {
	if v, ok := values[name]; ok {
		return v, true
	}
	for at := strings.IndexByte(name, '.'); at >= 0 && at+1 < len(name); {
		if v, ok := values["*"+name[at:]]; ok {
			return v, true
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return "", false
}

// count is how often names with this part were asked.
func (r *lists) count(part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for name, times := range r.asked {
		if strings.Contains(name, part) {
			n += times
		}
	}
	return n
}

var own = netip.MustParseAddr("192.0.2.99")

const ownLabels = "99.2.0.192."

func mustList(t *testing.T, d *Directory, id string) *List {
	t.Helper()
	l := d.List(id)
	if l == nil {
		t.Fatalf("there is no list %s", id)
	}
	return l
}
