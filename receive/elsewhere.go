package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
)

// Elsewhere is another store that takes local mail by LMTP (RFC 2033): a socket of
// the file system, or an address.
type Elsewhere struct {
	Socket  string
	Address netip.AddrPort
}

// ErrElsewhere says that a text names no LMTP server.
var ErrElsewhere = errors.New("neither a path of a socket nor an address and port")

// ParseElsewhere reads "/run/dovecot/lmtp", "unix:/run/dovecot/lmtp" or
// "127.0.0.1:24".
func ParseElsewhere(s string) (*Elsewhere, error) {
	path := strings.TrimPrefix(s, "unix:")
	if filepath.IsAbs(path) {
		return &Elsewhere{Socket: path}, nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, ErrElsewhere)
	}
	return &Elsewhere{Address: at}, nil
}

// String is the place as the configuration names it.
func (e *Elsewhere) String() string {
	if e.Socket != "" {
		return e.Socket
	}
	return e.Address.String()
}

// How long another store may take. Our client waits ten minutes for us.
const (
	handOverCommand = time.Minute
	handOverData    = 5 * time.Minute
	idleStores      = 8 // connections kept for the next message
)

// handOverAll gives the message to the other store, for one recipient after the other, and
// leaves those who have it. The replies are those of the others, nil when there are none:
// what somebody was refused must not make a front bring it again for all.
func (s *session) handOverAll(ctx context.Context, spool *store.Spool) []mail.Reply {
	replies := make([]mail.Reply, len(s.state.Recipients))
	var taken []policy.Recipient
	for i, rcpt := range s.state.Recipients {
		if len(rcpt.Destination.Mailboxes) > 0 {
			replies[i] = s.handOver(ctx, spool, rcpt)
		}
		if replies[i].IsZero() {
			taken = append(taken, rcpt)
		}
	}
	if len(taken) == len(replies) {
		return nil
	}
	s.state.Recipients = taken
	return replies
}

// isElsewhereOnly reports whether another store has all that was promised.
func (s *session) isElsewhereOnly() bool {
	if s.r.o.LMTP == nil {
		return false
	}
	for i := range s.state.Recipients {
		if d := &s.state.Recipients[i].Destination; len(d.Mailboxes) == 0 || len(d.Forwards) > 0 {
			return false
		}
	}
	return true
}

// handOver gives the message to the other store for one recipient. The zero reply
// means that it has it.
func (s *session) handOver(ctx context.Context, spool *store.Spool, rcpt policy.Recipient) mail.Reply {
	client, reused, err := s.r.reach(ctx)
	if err != nil {
		return s.elsewhereFailed(err)
	}
	reply, err := s.r.greetMail(ctx, client, s)
	if reused && leaves(reply, err) { // while nobody needed it
		_ = client.Close()
		if client, err = s.r.dialElsewhere(ctx); err != nil {
			return s.elsewhereFailed(err)
		}
		reply, err = s.r.greetMail(ctx, client, s)
	}
	if err == nil && reply.IsPositive() {
		reply, err = s.transfer(ctx, client, spool, rcpt)
	}
	if leaves(reply, err) {
		err = cmp.Or(err, error(reply))
		_ = client.Close()
		return s.elsewhereFailed(err)
	}
	s.r.keepIdle(ctx, client)
	if reply.IsPositive() {
		return mail.Reply{}
	}
	action := policy.Reject
	if reply.IsTransient() {
		action = policy.Defer
	}
	s.refuse(policy.Verdict{Action: action, Stage: "elsewhere", Reason: "elsewhere.refused", Reply: reply}, rcpt.To)
	return reply
}

// leaves reports whether the other store is going, with a word (RFC 5321 section
// 3.8) or without.
func leaves(reply mail.Reply, err error) bool { return err != nil || reply.Code == 421 }

// transfer names the mailboxes and sends the message. The worst answer is the answer.
func (s *session) transfer(ctx context.Context, client *smtp.Client, spool *store.Spool, rcpt policy.Recipient) (worst mail.Reply, err error) {
	for _, target := range rcpt.Destination.Mailboxes {
		to := target.Address
		if target.Folder != "" {
			to.Local += "+" + target.Folder
		}
		if to.NeedsSMTPUTF8() && !client.Extensions().Has("SMTPUTF8") {
			return noSMTPUTF8, nil
		}
		reply, err := client.Rcpt(ctx, to, smtp.RcptOptions{})
		if err != nil || !reply.IsPositive() {
			return reply, err
		}
	}
	body, err := spool.Open()
	if err != nil {
		return mail.Reply{}, err
	}
	defer body.Close()
	replies, err := client.LMTPData(ctx, body)
	for _, reply := range replies {
		if worst.IsZero() || reply.Code > worst.Code {
			worst = reply
		}
	}
	return worst, err
}

// noSMTPUTF8 is for addresses that the other store cannot be told (RFC 6531 section
// 3.5). Dovecot 2.3 would call them a mistake of syntax.
var noSMTPUTF8 = mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 6, Detail: 7}, "the store of this mailbox does not take addresses in UTF-8 (SMTPUTF8)")

// greetMail begins the transaction.
func (r *Receiver) greetMail(ctx context.Context, client *smtp.Client, s *session) (mail.Reply, error) {
	o := smtp.MailOptions{}
	if client.Extensions().Has("8BITMIME") {
		o.Body = smtp.Body8BitMIME
	}
	o.SMTPUTF8 = s.options.SMTPUTF8 && client.Extensions().Has("SMTPUTF8")
	if s.state.ReversePath.NeedsSMTPUTF8() && !o.SMTPUTF8 {
		return noSMTPUTF8, nil
	}
	return client.Mail(ctx, s.state.ReversePath, o)
}

func (s *session) elsewhereFailed(err error) mail.Reply {
	return s.failed(fmt.Errorf("hand over to %s: %w", s.r.o.LMTP, err), "elsewhere")
}

// reach takes a connection that waits, or makes one.
func (r *Receiver) reach(ctx context.Context) (client *smtp.Client, reused bool, err error) {
	select {
	case client = <-r.idle:
		return client, true, nil
	default:
	}
	client, err = r.dialElsewhere(ctx)
	return client, false, err
}

func (r *Receiver) dialElsewhere(ctx context.Context) (*smtp.Client, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	client := smtp.NewClient(conn, smtp.ClientOptions{
		Name: r.o.Hostname.String(), LMTP: true, Timeout: handOverCommand, DataTimeout: handOverData,
	})
	reply, err := client.Greet(ctx)
	if err == nil && reply.IsPositive() {
		reply, err = client.Hello(ctx)
	}
	if err == nil && !reply.IsPositive() {
		err = reply
	}
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

func (r *Receiver) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handOverCommand)
	defer cancel()
	if r.o.LMTP.Socket != "" {
		return r.o.World.DialUnix(ctx, r.o.LMTP.Socket)
	}
	return r.o.World.Dial(ctx, r.o.LMTP.Address)
}

// keepIdle keeps a connection for the next message while there is room.
func (r *Receiver) keepIdle(ctx context.Context, client *smtp.Client) {
	if reply, err := client.Rset(ctx); err == nil && reply.IsPositive() {
		select {
		case r.idle <- client:
			return
		default:
		}
	}
	_ = client.Close()
}

// dropIdle hangs up what waits.
func (r *Receiver) dropIdle() {
	for {
		select {
		case client := <-r.idle:
			_ = client.Close()
		default:
			return
		}
	}
}
