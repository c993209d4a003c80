package tlsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// errSpent is why a question was not asked.
var errSpent = errors.New("not asked: the limit of connections was reached")

// errGaveUp is why the questions after two dead connections were not asked: whoever
// does not answer any more has had enough of us.
var errGaveUp = errors.New("not asked: the server did not answer twice in a row")

// errConnect is why a question had no answer: the connection, not TLS.
var errConnect = errors.New("no connection")

// past is a deadline that has gone by: it ends reads and writes at once.
var past = time.Unix(1, 0)

// scanner is one scan: where to ask, how often still, and what is known.
type scanner struct {
	dial     DialFunc
	options  Options
	result   *Result
	first    map[uint16]*reply // the first answer in each version
	answered bool              // one hello at least was answered in TLS
	dead     int               // connections in a row that were refused or silent
	last     error             // what the last of them said
}

// connect opens one connection and hands it to use, against the clock. It is where
// connections are counted.
func (s *scanner) connect(ctx context.Context, use func(net.Conn) error) error {
	if s.result.Connections >= s.options.Connections {
		return errSpent
	}
	if s.dead >= 2 {
		return fmt.Errorf("%w: %w", errGaveUp, s.last)
	}
	s.result.Connections++
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	err := s.open(ctx, use)
	if errors.Is(err, errConnect) || errors.Is(err, context.DeadlineExceeded) {
		s.dead, s.last = s.dead+1, err
	} else {
		s.dead = 0
	}
	return err
}

func (s *scanner) open(ctx context.Context, use func(net.Conn) error) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(past) })()
	err = use(conn)
	if err != nil && ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
	return err
}

// ask puts one hello and reads the answer. The error is an alert where the server
// refused in words.
func (s *scanner) ask(ctx context.Context, h hello) (*reply, error) {
	h.serverName = s.options.ServerName.String()
	var r *reply
	err := s.connect(ctx, func(conn net.Conn) (err error) {
		if _, err := conn.Write(h.record()); err != nil {
			return closedOr(err)
		}
		r, err = readReply(newRecordReader(conn))
		sayGoodbye(conn)
		return err
	})
	if err == nil && r.version > h.version {
		err = fmt.Errorf("%w: %s in answer to %s", errGarbled, versionName(r.version), versionName(h.version))
	}
	if err != nil {
		var a alert
		s.answered = s.answered || errors.As(err, &a)
		return nil, err
	}
	s.answered = true
	s.keep(r)
	return r, nil
}

// sayGoodbye tells the server that it was us who gave up, for its log.
func sayGoodbye(conn net.Conn) {
	const fatal, userCanceled = 2, 90
	conn.Write(plainRecord(recordAlert, tls12, []byte{fatal, userCanceled}))
}

// keep notes what any answer tells beside its question.
func (s *scanner) keep(r *reply) {
	if _, ok := s.first[r.version]; !ok {
		s.first[r.version] = r
	}
	if r.dhBits > 0 && (s.result.DHBits == 0 || r.dhBits < s.result.DHBits) {
		s.result.DHBits = r.dhBits
	}
	s.addChain(r.chain)
}

// isRefusal tells a server that does not want from one that could not be heard.
// Hanging up without an alert counts where another hello was answered.
func (s *scanner) isRefusal(err error) bool {
	var a alert
	return errors.As(err, &a) || errors.Is(err, errTooEarly) && s.answered
}

// refusal is No for a refusal, Unknown for anything else.
func (s *scanner) refusal(err error) Answer {
	if s.isRefusal(err) {
		return Answer{No, err.Error()}
	}
	return Answer{Unknown, err.Error()}
}
