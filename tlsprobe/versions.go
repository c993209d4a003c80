package tlsprobe

import (
	"context"
	"io"
	"net"
)

// askVersions walks down from a version: the server answers with the highest it
// shares, so that one refusal settles everything below.
func (s *scanner) askVersions(ctx context.Context, from uint16) {
	for v := from; v >= ssl3; {
		answer := s.askVersion(ctx, v)
		switch {
		case v == tls13:
			v = tls12 // a hello for TLS 1.3 offers nothing below it
		case answer == nil:
			return
		default:
			v = answer.version - 1
		}
	}
}

// askVersion offers one version as the highest. It returns nil when the server
// did not agree to any.
func (s *scanner) askVersion(ctx context.Context, v uint16) *reply {
	r, err := s.ask(ctx, helloFor(v))
	if err != nil {
		answer := s.refusal(err)
		s.result.setVersion(v, answer)
		for below := v - 1; v < tls13 && answer.Is == No && below >= ssl3; below-- {
			s.result.setVersion(below, Answer{No, "refused with all before " + versionName(v+1) + ": " + err.Error()})
		}
		return nil
	}
	for above := v; above > r.version; above-- {
		s.result.setVersion(above, Answer{No, "the server chose " + versionName(r.version)})
	}
	s.result.setVersion(r.version, Answer{Yes, find(suites(), r.suite).Name})
	return r
}

// helloFor offers everything that a version knows.
func helloFor(v uint16) hello {
	if v == tls13 {
		return hello{version: v, suites: ids(filter(suites(), isSuite13)), groups: ids(filter(groups(), isGroup13)), signatures: allSignatures}
	}
	return hello{version: v, suites: ids(filter(suites(), isSuite12)), groups: ids(filter(groups(), isCurve12)),
		signatures: allSignatures, compression: true}
}

// askSSL2 speaks SSL 2.0, whose hello no newer version resembles.
func (s *scanner) askSSL2(ctx context.Context) {
	var answer Answer
	err := s.connect(ctx, func(conn net.Conn) error {
		if _, err := conn.Write(ssl2Hello()); err != nil {
			return closedOr(err)
		}
		var err error
		answer, err = readSSL2(conn)
		return err
	})
	if err != nil {
		answer = s.refusal(err)
	}
	s.result.setVersion(ssl2, answer)
}

// readSSL2 tells a SERVER-HELLO of SSL 2.0 from an error and from the alert of a
// newer version.
func readSSL2(conn io.Reader) (Answer, error) {
	const serverHello, errorMessage = 4, 0
	var head [7]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return Answer{}, closedOr(err)
	}
	if head[0]&0x80 == 0 {
		if head[0] == recordAlert && head[1] == 3 && head[3] == 0 && head[4] == 2 {
			return Answer{}, alert(head[6])
		}
		return Answer{}, errNotTLS
	}
	switch {
	case head[2] == serverHello && head[5] == byte(ssl2>>8) && head[6] == byte(ssl2&0xff):
		return Answer{Yes, "SERVER-HELLO"}, nil
	case head[2] == errorMessage:
		return Answer{No, "error message"}, nil
	}
	return Answer{}, errNotTLS
}

// readHello12 takes the answers that the first hello of TLS 1.2 or older brought.
func (s *scanner) readHello12() {
	r, res := s.firstOld(), s.result
	if res.Version(tls13).Is == No {
		res.EarlyData = Answer{NotApplicable, "TLS 1.3 is not offered"}
	}
	if r == nil {
		none := notBefore13(res)
		res.ExtendedMasterSecret, res.Compression, res.SecureRenegotiation = none, none, none
		if none.Is == NotApplicable {
			res.Compression = Answer{No, "TLS 1.3 has none"}
		}
		return
	}
	res.ExtendedMasterSecret = has(r, extMasterSecret)
	res.SecureRenegotiation = has(r, extRenegotiationInfo)
	if res.SessionTickets.Is == Unknown {
		res.SessionTickets = has(r, extSessionTicket)
	}
	res.Compression = Answer{No, "null chosen"}
	if r.compression != 0 {
		res.Compression = Answer{Yes, "DEFLATE chosen"}
	}
}

// firstOld is the first answer in the newest version before TLS 1.3.
func (s *scanner) firstOld() *reply {
	for _, v := range []uint16{tls12, tls11, tls10, ssl3} {
		if r := s.first[v]; r != nil {
			return r
		}
	}
	return nil
}

func notBefore13(r *Result) Answer {
	if r.acceptsOldTLS() == No {
		return Answer{NotApplicable, "only TLS 1.3 is offered"}
	}
	return Answer{Unknown, "no hello before TLS 1.3 was answered"}
}

func has(r *reply, extension uint16) Answer {
	if _, ok := r.extensions[extension]; ok {
		return Answer{Yes, ""}
	}
	return Answer{No, "not in the ServerHello of " + versionName(r.version)}
}
