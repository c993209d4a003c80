package world

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func referral(_ string, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	ns, _ := dns.NewRR("test. 60 NS ns.test.")
	m.Ns = append(m.Ns, ns)
	return m
}

// garbage answers every packet with one that is no message.
func garbage(network string, conn net.Conn) {
	for {
		q, err := readQuery(network, conn)
		if err != nil {
			return
		}
		conn.Write(append(binary.BigEndian.AppendUint16(nil, q.Id), 0x81, 0x80, 0, 1, 0, 9, 0xff))
	}
}

// altered answers with a record, after a change to the answer.
func altered(change func(*dns.Msg)) func(string, net.Conn) {
	return answering(func(_ string, q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR("a.test. 60 A 192.0.2.66")
		m.Answer = append(m.Answer, rr)
		change(m)
		return m
	})
}

// flooding sends wrong answers without end.
func flooding(network string, conn net.Conn) {
	q, err := readQuery(network, conn)
	if err != nil {
		return
	}
	m := new(dns.Msg).SetReply(q)
	m.Id++
	wire, _ := m.Pack()
	for {
		if _, err := conn.Write(wire); err != nil {
			return
		}
	}
}

// truncating says over UDP that there is more, and does the given over TCP.
func truncating(overTCP func(conn net.Conn, q *dns.Msg)) func(string, net.Conn) {
	return func(network string, conn net.Conn) {
		q, err := readQuery(network, conn)
		if err != nil {
			return
		}
		if network == "tcp" {
			overTCP(conn, q)
			return
		}
		m := new(dns.Msg).SetReply(q)
		m.Truncated = true
		send(network, conn, m)
		readQuery(network, conn)
	}
}

func byteAMinute(conn net.Conn, q *dns.Msg) {
	for range 65535 {
		if _, err := conn.Write([]byte{0xff}); err != nil {
			return
		}
		time.Sleep(time.Minute)
	}
}

func TestHostileServers(t *testing.T) {
	const whole = 9500 * time.Millisecond
	tests := []struct {
		name string
		host func(string, net.Conn)
		want string
		took time.Duration
	}{
		{"wrong id", altered(func(m *dns.Msg) { m.Id ^= 1 }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"a query", altered(func(m *dns.Msg) { m.Response = false }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"wrong name", altered(func(m *dns.Msg) { m.Question[0].Name = "b.test." }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"wrong type", altered(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"wrong class", altered(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"no question", altered(func(m *dns.Msg) { m.Question = nil }), "time-out after 9.5s; an answer to another question from 192.0.2.1:53", whole},
		{"garbage", garbage, "time-out after 9.5s; not a DNS message from 192.0.2.1:53", whole},
		{"flood", flooding, "an answer to another question from 192.0.2.1:53", 0},
		{"referrals for ever", answering(referral), "a referral instead of an answer from 192.0.2.1:53", 0},
		{"truncation for ever", truncating(func(conn net.Conn, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			send("tcp", conn, m)
		}), "truncated even over TCP from 192.0.2.1:53", 0},
		{"a byte a minute", truncating(byteAMinute), "time-out after 9.5s", whole},
		{"nothing over TCP", truncating(func(net.Conn, *dns.Msg) {}), "over TCP: EOF from 192.0.2.1:53", 0},
		{"half a frame", truncating(func(conn net.Conn, _ *dns.Msg) { conn.Write([]byte{1, 0, 7}) }), "over TCP: unexpected EOF from 192.0.2.1:53", 0},
		{"a strange rcode", answering(refusing(14)), "RCODE14 from 192.0.2.1:53", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := worldOf(t, Options{}, test.host)
				a, took, err := lookupA(t, w, "a.test.")
				var e *LookupError
				if !errors.As(err, &e) || e.Kind != ErrTemporary || e.Detail != test.want || took != test.took {
					t.Errorf("got %+v, %v after %s; want %q after %s", a, err, took, test.want, test.took)
				}
			})
		})
	}
}

// TestGuessedAnswersAreSkipped: the right answer counts though wrong ones came
// first.
func TestGuessedAnswersAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := worldOf(t, Options{}, func(network string, conn net.Conn) {
			q, err := readQuery(network, conn)
			if err != nil {
				return
			}
			for i := range 51 {
				m := (&records{t: t, rrs: []string{fmt.Sprintf("a.test. 60 A 192.0.2.%d", i)}}).reply(network, q)
				m.Id += uint16(50 - i)
				send(network, conn, m)
			}
		})
		a, _, err := lookupA(t, w, "a.test.")
		if err != nil || a.Records[0].(*dns.A).A.String() != "192.0.2.50" {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

// TestUnaskedRecords: what stands in an answer without belonging to it is
// neither returned nor remembered.
func TestUnaskedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7", "b.test. 60 A 192.0.2.8"}}
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			m := r.reply(network, q)
			for _, text := range []string{"b.test. 60 A 192.0.2.66", "a.test. 60 CH A 192.0.2.66", "a.test. 60 TXT x"} {
				rr, err := dns.NewRR(text)
				if err != nil {
					rr, _ = dns.NewRR("a.test. 60 A 192.0.2.66")
					rr.Header().Class = dns.ClassCHAOS
				}
				if q.Question[0].Name == "a.test." {
					m.Answer = append(m.Answer, rr)
				}
			}
			return m
		}))
		for name, want := range map[Name]string{"a.test.": "192.0.2.7", "b.test.": "192.0.2.8"} {
			a, _, err := lookupA(t, w, name)
			if err != nil || len(a.Records) != 1 || a.Records[0].(*dns.A).A.String() != want {
				t.Errorf("%s: got %+v, %v", name, a, err)
			}
		}
	})
}

// TestBigAnswers: whole and in order, but the memory they may fill has an end.
func TestBigAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := worldOf(t, Options{}, truncating(func(conn net.Conn, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 3600}
			if h.Rrtype == dns.TypeMX {
				for i := range 1000 {
					m.Answer = append(m.Answer, &dns.MX{Hdr: h, Preference: uint16(1000 - i), Mx: fmt.Sprintf("mx%04d.test.", i)})
				}
			} else {
				for range 15 {
					m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: strings.Split(strings.Repeat(strings.Repeat("x", 255)+" ", 16)[:16*256-1], " ")})
				}
			}
			send("tcp", conn, m)
		}))
		mxs, _, err := LookupMX(t.Context(), w, "many.test.")
		if err != nil || len(mxs) != 1000 || mxs[0].Preference != 1 {
			t.Fatalf("got %d MX records, %v", len(mxs), err)
		}
		const answers = 700 // counted as 120 KB each: 84 MB
		for i := range answers {
			texts, _, err := LookupTXT(t.Context(), w, Name(fmt.Sprintf("t%d.test.", i)))
			if err != nil || len(texts) != 15 || len(texts[0].Text) != 16*255 {
				t.Fatalf("got %d texts, %v", len(texts), err)
			}
		}
		c := w.Resolver.(*client)
		if c.answers.used > maxBytes || c.responses.used > maxBytes || len(c.answers.byKey) == answers {
			t.Errorf("%d answers of %d bytes are remembered", len(c.answers.byKey), c.answers.used)
		}
	})
}
