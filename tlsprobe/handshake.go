package tlsprobe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Handshake is what one whole handshake came to, with everything offered that
// crypto/tls can speak. Whether the certificate is right stands in the Chain.
type Handshake struct {
	Done    Answer `json:"done"`    // Why is the error
	Version uint16 `json:"version"` // on the wire; zero when it failed
	Suite   string `json:"suite,omitempty"`
	Group   string `json:"group,omitempty"`
}

// afterwards is how long a server may take to close its end. Most do at once.
const afterwards = 2 * time.Second

// everySuite is all that crypto/tls can do, the insecure ones too: a weak server is
// to be seen, not to be avoided.
func everySuite() []uint16 {
	var all []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		all = append(all, s.ID)
	}
	return all
}

// handshake goes all the way once, for the certificates and for what comes after
// the handshake: tickets and what they allow.
func (s *scanner) handshake(ctx context.Context) {
	var keys bytes.Buffer
	var heard *tap
	var state tls.ConnectionState
	var ders [][]byte
	err := s.connect(ctx, func(conn net.Conn) error {
		heard = &tap{Conn: conn}
		channel := tls.Client(heard, &tls.Config{
			ServerName: s.options.ServerName.String(), MinVersion: tls.VersionTLS10, CipherSuites: everySuite(),
			InsecureSkipVerify:    true, // judge verifies, and keeps each fault apart
			VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error { ders = raw; return nil },
			KeyLogWriter:          &keys,
			ClientSessionCache:    tls.NewLRUClientSessionCache(1), // asks for tickets
		})
		if err := channel.HandshakeContext(ctx); err != nil {
			return err
		}
		state = channel.ConnectionState()
		s.answered = true
		// Our end, and then the server's: whatever it had to say lies between.
		channel.CloseWrite()
		conn.SetReadDeadline(time.Now().Add(afterwards)) // deadline
		io.Copy(io.Discard, io.LimitReader(channel, maxTap))
		return nil
	})
	s.addChain(ders)
	if err != nil {
		s.result.Handshake.Done = Answer{No, err.Error()}
		if errors.Is(err, errConnect) || ctx.Err() != nil {
			s.result.Handshake.Done.Is = Unknown
		}
		return
	}
	s.result.Handshake = Handshake{Answer{Is: Yes}, state.Version, tls.CipherSuiteName(state.CipherSuite), groupName(state.CurveID)}
	s.result.setVersion(state.Version, Answer{Yes, tls.CipherSuiteName(state.CipherSuite)})
	s.addSuite(state.CipherSuite)
	s.addGroup(uint16(state.CurveID))
	s.readTickets(state, heard, keys.String())
}

func groupName(id tls.CurveID) string {
	if id == 0 {
		return ""
	}
	return find(groups(), uint16(id)).Name
}

// readTickets looks into what the server sent after its handshake. Only TLS 1.3 has
// tickets there, and only they can allow early data.
func (s *scanner) readTickets(state tls.ConnectionState, heard *tap, keylog string) {
	if state.Version < tls.VersionTLS13 {
		s.result.EarlyData = Answer{NotApplicable, "TLS 1.3 was not negotiated"}
		return
	}
	tickets, err := ticketsIn(heard.octets(), state.CipherSuite, keylog)
	switch {
	case err != nil:
		s.result.SessionTickets = Answer{Unknown, err.Error()}
		s.result.EarlyData = s.result.SessionTickets
		return
	case len(tickets) == 0:
		s.result.SessionTickets = Answer{No, "none came after the handshake"}
		s.result.EarlyData = Answer{No, "there is no ticket"}
		return
	}
	s.result.SessionTickets = Answer{Yes, fmt.Sprintf("%d after the handshake", len(tickets))}
	s.result.EarlyData = Answer{No, "no ticket allows it"}
	for _, t := range tickets {
		if t.maxEarlyData > 0 {
			s.result.EarlyData = Answer{Yes, fmt.Sprintf("a ticket allows %d octets", t.maxEarlyData)}
		}
	}
}
