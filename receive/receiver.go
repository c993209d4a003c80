package receive

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are what a Receiver is made from. The first six must be there.
type Options struct {
	Store    *store.Store
	World    *world.World
	Accounts Accounts
	Accept   *accept.Acceptor
	Hostname mail.Domain
	Domains  []mail.Domain // whose mail is taken; the first has the role addresses of the host

	SRS   srs.Key // of identity: takes what comes back to forwards
	Marks []byte  // of identity: the secret behind loop marks

	MaxSize    int64                 // octets of a message; 0: 50 MiB. The smtp server has the same
	Help       string                // what every refusal names; "": postmaster at the host
	Strict     bool                  // refuse on DMARC's p=reject alone
	Greylist   bool                  // put first-time senders off
	Blocklists []string              // ids; nil: the usual ones; empty: none
	ListKeys   map[string]string     // "spamhaus-dqs"
	ListMemory reputation.Memory     // nil: none
	Directory  *reputation.Directory // of lists; nil: made from ListKeys and ListMemory
	Limits     policy.Limits

	Tests *testaddress.Book // addresses that exist only to have mail judged; nil: there are none

	LMTP *Elsewhere   // where local mail goes instead of the own mailboxes; nil: there
	Log  *slog.Logger // nil: nowhere
}

// defaultMaxSize is that of package smtp.
const defaultMaxSize = 50 << 20

// Accounts is what receive asks an account.Directory.
type Accounts interface {
	Resolve(tx *store.Tx, to mail.Address) (account.Destination, error)
	Admin(tx *store.Tx, domain mail.Domain) (account.ID, error)
}

// Receiver makes the sessions of listeners that take mail in.
type Receiver struct {
	o       Options
	policy  *policy.Policy
	rooms   *rooms
	readers sync.Pool         // *bufio.Reader
	idle    chan *smtp.Client // to the other store
}

// New makes a Receiver. Who makes one must Close it, after the servers that use it.
func New(o Options) (*Receiver, error) {
	if o.Store == nil || o.Accounts == nil || o.Accept == nil {
		return nil, policy.ErrOptions
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MaxSize = cmp.Or(o.MaxSize, defaultMaxSize)
	r := &Receiver{o: o, idle: make(chan *smtp.Client, idleStores)}
	r.rooms = newRooms(o.Store, o.World.Now)
	r.readers.New = func() any { return bufio.NewReaderSize(nil, 8<<10) }
	po := policy.Options{
		World: o.World, Hostname: o.Hostname, Domains: o.Domains,
		Resolve: r.resolve, Owner: r.owner, Room: r.rooms.fits,
		SRS: o.SRS, Marks: o.Marks, MaxSize: o.MaxSize, Help: o.Help, Strict: o.Strict, Limits: o.Limits,
		Blocklists: o.Blocklists, Keys: o.ListKeys, Memory: o.ListMemory, Directory: o.Directory,
		OneByOne: o.LMTP != nil,
	}
	if o.Tests != nil {
		po.Test = r.isTest
	}
	if o.Greylist {
		po.Greylist = o.Store
	}
	if o.LMTP != nil {
		po.Room = nil // the other store's business
	}
	p, err := policy.New(po)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	r.policy = p
	return r, nil
}

// Close ends what is under way in the background.
func (r *Receiver) Close() {
	r.policy.Close()
	r.dropIdle()
}

// Sweep forgets what greylisting need not remember any more, some rows at a time until
// there are no more, and says how many. Call it now and then; without greylisting it does
// nothing.
func (r *Receiver) Sweep(ctx context.Context) (total int64, err error) {
	if !r.o.Greylist {
		return 0, nil
	}
	for {
		n, err := policy.ForgetMeetings(ctx, r.o.Store, r.o.World.Now())
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

// Open is a connection on port 25: for smtp.ServerOptions.Open.
func (r *Receiver) Open(ctx context.Context, peer smtp.Peer) (smtp.Session, mail.Reply) {
	return r.open(ctx, peer, false)
}

// OpenLMTP is a connection of a server of ours that stands in front and has judged
// its clients: only recipients, sizes and loops are asked about. Who can reach this
// listener is trusted.
func (r *Receiver) OpenLMTP(ctx context.Context, peer smtp.Peer) (smtp.Session, mail.Reply) {
	return r.open(ctx, peer, true)
}

func (r *Receiver) open(ctx context.Context, peer smtp.Peer, front bool) (smtp.Session, mail.Reply) {
	s := &session{r: r, front: front, state: r.policy.Begin(peer, front)}
	v := r.policy.Ask(ctx, policy.Connect, s.state)
	if v.IsRefusal() {
		s.refuse(v, mail.Address{})
		return s, v.Reply
	}
	return s, mail.Reply{}
}

func (r *Receiver) resolve(ctx context.Context, to mail.Address) (d account.Destination, err error) {
	err = r.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = r.o.Accounts.Resolve(tx, to)
		return err
	})
	return d, err
}

// owner finds the account behind an SRS address; one that is gone by now leaves its
// affairs to the admin of the domain.
func (r *Receiver) owner(ctx context.Context, id account.ID, domain mail.Domain) (account.ID, error) {
	err := r.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if id != 0 {
			err = mailbox.Room(tx, int64(id), 0)
		}
		if id == 0 || errors.Is(err, mailbox.ErrNoFolder) {
			id, err = r.o.Accounts.Admin(tx, domain)
		} else if errors.Is(err, mailbox.ErrQuota) {
			err = nil // somebody asks for room later
		}
		return err
	})
	return id, err
}

// hasRoom is store.ErrFull below the watermark: what was accepted needs room to be
// worked with.
func (r *Receiver) hasRoom(ctx context.Context) error {
	_, err := r.o.Store.Room(ctx)
	return err
}
