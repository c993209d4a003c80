package host

import (
	"context"
	"slices"
	"sync"
)

// Message is mail that one of the lab's hosts took from a client.
type Message struct {
	Host       string // who took it
	Port       uint16 // of the lab's world: 25, 465, 587
	Helo       string // what the client called itself
	From       string // the reverse-path, "" for <>
	To         []string
	Data       []byte // with CRLF, dots unstuffed
	TLS        bool
	Login      string // the mailbox that authenticated, "" for none
	Relayed    bool   // it was for somebody else, and goes on to there
	Undeliver  bool   // it was for nobody
	Remote     string // the client's address
	Discarded  bool   // taken and thrown away
	Recipients int    // how many RCPT were accepted
}

// Mailroom remembers every message that the hosts of a lab took. The zero value
// is ready.
type Mailroom struct {
	mu       sync.Mutex
	messages []Message
	arrived  chan struct{} // closed and replaced when something arrives
}

func (m *Mailroom) put(msg Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, msg)
	if m.arrived != nil {
		close(m.arrived)
		m.arrived = nil
	}
}

// Messages are all that were taken so far, in order.
func (m *Mailroom) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

// Wait gives the first message that fits, as soon as there is one.
func (m *Mailroom) Wait(ctx context.Context, fits func(Message) bool) (Message, error) {
	for {
		m.mu.Lock()
		i := slices.IndexFunc(m.messages, fits)
		if i >= 0 {
			msg := m.messages[i]
			m.mu.Unlock()
			return msg, nil
		}
		if m.arrived == nil {
			m.arrived = make(chan struct{})
		}
		arrived := m.arrived
		m.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		}
	}
}
