package tlsprobe

import (
	"bytes"
	"testing"
)

// FuzzServerFlight reads whatever a server could send in answer to a hello.
func FuzzServerFlight(f *testing.F) {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0xc0, 0x2f, 0, 0, 4, 0, 23, 0, 0)
	flight := append(handshake(typeServerHello, body), handshake(typeCertificate, []byte{0, 0, 3, 0, 0, 0})...)
	flight = append(flight, handshake(typeServerKeyExchange, []byte{3, 0, 29, 1, 9, 4, 1, 0, 0})...)
	flight = append(flight, handshake(typeServerHelloDone, nil)...)
	f.Add(plainRecord(recordHandshake, tls12, flight))
	retry := append([]byte{3, 3}, retryRandom[:]...)
	retry = append(retry, 0, 0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29)
	f.Add(plainRecord(recordHandshake, tls12, handshake(typeServerHello, retry)))
	f.Add(plainRecord(recordAlert, tls12, []byte{2, 40}))
	f.Fuzz(func(t *testing.T, octets []byte) {
		r, err := readReply(newRecordReader(bytes.NewReader(octets)))
		if err == nil && (r.version < ssl3 || r.version > tls13) {
			t.Errorf("version %x", r.version)
		}
		judgeSome(r)
		readSSL2(bytes.NewReader(octets))
	})
}

func judgeSome(r *reply) {
	if r != nil && len(r.chain) > 0 {
		judge(r.chain, Options{Now: now})
	}
}

// FuzzCertificates reads certificate messages and judges what is in them.
func FuzzCertificates(f *testing.F) {
	root := newRoot(f)
	der := root.cert.Raw
	n := len(der)
	list := append([]byte{byte((n + 3) >> 16), byte((n + 3) >> 8), byte(n + 3), byte(n >> 16), byte(n >> 8), byte(n)}, der...)
	f.Add(list)
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		chain, err := parseCertificates(body)
		if err == nil && len(chain) > 0 {
			judge(chain, Options{Now: now, Roots: root.pool()})
		}
	})
}

// FuzzTickets reads what would come decrypted after a handshake of TLS 1.3.
func FuzzTickets(f *testing.F) {
	f.Add(handshake(typeNewSessionTicket, []byte{0, 0, 1, 0, 0, 0, 0, 0, 1, 9, 0, 1, 7, 0, 8, 0, 42, 0, 4, 0, 0, 64, 0}))
	f.Fuzz(func(t *testing.T, messages []byte) {
		tickets, err := parseTickets(messages)
		if err != nil && tickets != nil {
			t.Error("tickets beside an error")
		}
	})
}

func TestTicketWithEarlyData(t *testing.T) {
	tickets, err := parseTickets(handshake(typeNewSessionTicket, []byte{0, 0, 1, 0, 0, 0, 0, 0, 1, 9, 0, 1, 7, 0, 8, 0, 42, 0, 4, 0, 0, 64, 0}))
	if err != nil || len(tickets) != 1 || tickets[0] != (ticket{256, 16384}) {
		t.Errorf("%+v, %v", tickets, err)
	}
}
