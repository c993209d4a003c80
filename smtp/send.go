package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/allgreen-mail/allgreen/mail"
)

// Envelope is what a message travels with.
type Envelope struct {
	From    mail.Address // zero: the null reverse-path
	Options MailOptions
	To      []Recipient
	Chunks  bool // sends by BDAT instead of DATA; the server must have announced CHUNKING
}

// Recipient is one address of an Envelope.
type Recipient struct {
	Address mail.Address
	Options RcptOptions
}

// Fate is what became of one recipient: the reply that decided, and what it answered.
type Fate struct {
	Reply mail.Reply // positive: the server has the message for this recipient; zero: nobody knows
	At    string     // "MAIL", "RCPT", "DATA", "BDAT", or "the end of data"
}

// Send delivers one message, as quickly as the server lets it: where PIPELINING was
// announced, MAIL, every RCPT and DATA leave in one flight (RFC 2920 section 3.1), with a
// RSET in front when the transaction before was not ended by its message. There is a fate
// for each recipient, in order, over SMTP as over LMTP.
//
// The error tells that the dialogue is over. Fates that were known before it are true; of
// one that is zero nobody knows, and when the error's During is "the end of data" the
// server may have taken the message all the same. A server that says 421 and hangs up has
// answered: its 421 is the fate of all who had none, without an error.
//
// The transcript keeps what was said up to the first Send, and forgets the Sends before
// this one: it tells the whole story of this message.
func (c *Client) Send(ctx context.Context, e Envelope, body io.Reader) ([]Fate, error) {
	c.transcript.rewind()
	if len(e.To) == 0 {
		return nil, fmt.Errorf("%w: there is no recipient", ErrCommand)
	}
	s := &sending{client: c, envelope: e, fates: make([]Fate, len(e.To))}
	err := s.introduce(ctx)
	if err == nil && s.willing {
		err = s.deliver(ctx, body)
	}
	if s.last.Code == 421 && errors.Is(err, ErrClosed) {
		s.decide(s.last, s.at)
		err = nil
	}
	return s.fates, err
}

// sending is one Send under way.
type sending struct {
	client   *Client
	envelope Envelope
	fates    []Fate
	willing  bool       // the server waits for the message
	last     mail.Reply // the reply that was read last
	at       string     // ... and what it answered
}

// commands are those before the message, in their order.
func (s *sending) commands() []Command {
	batch := make([]Command, 0, len(s.envelope.To)+3)
	if s.client.begun {
		batch = append(batch, "RSET")
	}
	batch = append(batch, MailCommand(s.envelope.From, s.envelope.Options))
	for _, r := range s.envelope.To {
		batch = append(batch, RcptCommand(r.Address, r.Options))
	}
	if !s.envelope.Chunks {
		batch = append(batch, "DATA")
	}
	return batch
}

// introduce says everything before the message.
func (s *sending) introduce(ctx context.Context) error {
	batch := s.commands()
	if !s.client.extensions.Has("PIPELINING") {
		return s.oneByOne(ctx, batch)
	}
	replies, err := s.client.Pipeline(ctx, batch)
	for i, reply := range replies {
		s.heard(batch, i, reply)
	}
	if err != nil {
		return err
	}
	return s.afterBatch(ctx)
}

// oneByOne says each command after the answer to the one before, and none that is in
// vain.
func (s *sending) oneByOne(ctx context.Context, batch []Command) error {
	for i, cmd := range batch {
		if verb := cmd.verb(); (verb == "RCPT" || verb == "DATA") && !s.undecided() {
			return nil
		}
		reply, err := s.client.Do(ctx, cmd)
		if err != nil {
			return err
		}
		s.heard(batch, i, reply)
	}
	return s.afterBatch(ctx)
}

// heard draws the conclusions of one reply.
func (s *sending) heard(batch []Command, i int, reply mail.Reply) {
	verb := batch[i].verb()
	s.last, s.at = reply, verb
	if reply.IsPositive() {
		return
	}
	switch verb {
	case "MAIL":
		s.decide(reply, verb)
	case "RCPT":
		n := i - 1 // behind MAIL, and RSET where it was said
		if batch[0] == "RSET" {
			n--
		}
		if s.fates[n].Reply.IsZero() {
			s.fates[n] = Fate{reply, verb}
		}
	case "DATA":
		s.willing = reply.IsIntermediate()
		if !s.willing {
			s.decide(reply, verb)
		}
	}
}

// decide gives a fate to every recipient that has none.
func (s *sending) decide(reply mail.Reply, at string) {
	for i := range s.fates {
		if s.fates[i].Reply.IsZero() {
			s.fates[i] = Fate{reply, at}
		}
	}
}

func (s *sending) undecided() bool {
	for _, f := range s.fates {
		if f.Reply.IsZero() {
			return true
		}
	}
	return false
}

// afterBatch looks whether there is anybody to send the message to, and whether the
// server wants it.
func (s *sending) afterBatch(ctx context.Context) error {
	switch {
	case s.envelope.Chunks:
		s.willing = s.undecided()
	case s.last.IsPositive(): // 2yz to DATA would read as delivered
		return s.client.end(&DialogueError{During: "DATA", Kind: ErrProtocol, Read: printable(s.last.String(), 200)})
	case s.willing && !s.undecided():
		// A server that wants a message for nobody gets an empty one (RFC 2920 section
		// 3.1). Its answer decides nothing.
		s.willing = false
		_, err := s.client.Do(ctx, ".")
		return err
	}
	return nil
}

// deliver sends the message and reads what became of it.
func (s *sending) deliver(ctx context.Context, body io.Reader) error {
	if s.envelope.Chunks {
		return s.chunks(ctx, body)
	}
	reply, err := s.client.sendBody(ctx, body)
	if err != nil {
		return err
	}
	if !reply.IsZero() { // the server hung up in between, with a word
		s.decide(reply, "the end of data")
		return nil
	}
	return s.conclude(ctx, "the end of data")
}

// conclude reads the answer to the whole message: one, or in LMTP one for each recipient
// that was accepted (RFC 2033 section 4.2).
func (s *sending) conclude(ctx context.Context, at string) error {
	c := s.client
	c.begun = false
	for i := range s.fates {
		if !s.fates[i].Reply.IsZero() {
			continue
		}
		reply, err := c.await(ctx, "the end of data", c.options.DataTimeout)
		if err != nil {
			return err
		}
		s.last, s.at = reply, at
		if !c.options.LMTP {
			s.decide(reply, at)
			return nil
		}
		s.fates[i] = Fate{reply, at}
	}
	return nil
}

// chunks sends the message by BDAT (RFC 3030 section 2), each chunk after the answer to
// the one before. A refusal of one is the answer to all.
func (s *sending) chunks(ctx context.Context, body io.Reader) error {
	c := s.client
	block := make([]byte, chunkSize)
	for {
		n, last, err := readBlock(body, block)
		if err != nil {
			c.conn.Close() // the server discards what has no LAST
			return c.end(fmt.Errorf("reading the message: %w", err))
		}
		if reply, err := c.sendChunk(ctx, block[:n], last); err != nil || !reply.IsZero() {
			s.decide(reply, "BDAT")
			return err
		}
		if last {
			return s.conclude(ctx, "the end of data")
		}
		reply, err := c.await(ctx, "BDAT", c.options.Timeout)
		if err != nil {
			return err
		}
		if s.last, s.at = reply, "BDAT"; !reply.IsPositive() {
			s.decide(reply, "BDAT")
			return nil
		}
	}
}
