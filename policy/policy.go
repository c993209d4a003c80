package policy

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// RoomFunc says whether a mailbox can take so many octets more: nil,
// mailbox.ErrQuota, or a failure.
type RoomFunc func(ctx context.Context, account account.ID, size int64) error

// Options are what a Policy is made from. World, Hostname, Domains, Resolve and
// Owner must be there.
type Options struct {
	World    *world.World
	Hostname mail.Domain
	Domains  []mail.Domain // whose mail is taken; the first one has the host's role addresses
	// Resolve finds who gets mail to an address: account.ErrNoMailbox,
	// account.ErrNotLocal, or a failure.
	Resolve func(ctx context.Context, to mail.Address) (account.Destination, error)
	// Owner is the account that answers for a forward, given what its SRS address
	// carries; 0 stands for the admin of the domain.
	Owner func(ctx context.Context, owner account.ID, domain mail.Domain) (account.ID, error)
	// Test reports whether an address exists only to have mail judged: nil, an error of
	// package testaddress, or a failure. Nil: there are none.
	Test  func(ctx context.Context, to mail.Address) error
	Room  RoomFunc // nil: there is always room
	SRS   srs.Key
	Marks []byte // the secret of loop marks

	// OneByOne takes every local recipient alone: another store answers for each.
	OneByOne bool

	MaxSize int64  // octets of one message; 0: whatever smtp allows
	Help    string // a page or address that every refusal names; "": postmaster at the host
	Strict  bool   // refuse what fails DMARC with p=reject on that alone
	Limits  Limits

	Blocklists []string              // ids of package reputation; nil: the usual ones, empty: none
	Keys       map[string]string     // of lists: "spamhaus-dqs"
	Memory     reputation.Memory     // nil: control results are forgotten with the process
	Directory  *reputation.Directory // nil: made from Keys and Memory
	Greylist   *store.Store          // where first-time senders are remembered; nil: no greylisting
}

// ErrOptions says what is missing.
var ErrOptions = errors.New("incomplete policy options")

// Policy is the chain and what its stages remember. It is safe for concurrent use.
type Policy struct {
	o           Options
	weights     weights
	chain       []step
	rates       *rates
	clients     *clients
	directory   *reputation.Directory
	ipLists     []*reputation.List
	domainLists []*reputation.List
}

// New makes a policy. Who makes one must Close it.
func New(o Options) (*Policy, error) {
	if o.World == nil || o.Hostname.IsZero() || len(o.Domains) == 0 || o.Resolve == nil || o.Owner == nil {
		return nil, ErrOptions
	}
	o.Help = cmp.Or(o.Help, "postmaster@"+o.Hostname.String())
	p := &Policy{o: o, weights: loadWeights(), directory: o.Directory}
	p.rates = newRates(o.Limits.orDefaults(p.weights.Limits))
	if p.directory == nil {
		p.directory = reputation.NewDirectory(reputation.Options{Keys: o.Keys, Memory: o.Memory, Now: o.World.Now})
	}
	if err := p.chooseLists(o.Blocklists); err != nil {
		return nil, err
	}
	p.clients = newClients(p)
	p.chain = p.makeChain()
	return p, nil
}

// Close ends what is being asked in the background, and waits for it.
func (p *Policy) Close() { p.clients.close() }

// Begin is a new connection. What the DNS says of its address is asked in the
// background from now on. A front is a server of ours that has done the asking; its
// connections are not judged.
func (p *Policy) Begin(peer smtp.Peer, front bool) *Session {
	s := &Session{Peer: peer, Front: front, IP: plain(peer.Remote.Addr()), Now: p.o.World.Now()}
	if !front && s.IP.IsValid() {
		s.client = p.clients.get(s.IP)
	}
	return s
}

// End is the end of a connection.
func (p *Policy) End(s *Session) {
	if s.counted {
		s.counted = false
		p.rates.leave(s.IP)
	}
}

// MayNote reports whether a refusal of this client is to be kept in the journal. The log
// has all of them.
func (p *Policy) MayNote(s *Session) bool { return p.rates.mayNote(s.IP, p.o.World.Now()) }

// IPRev waits for what the reverse DNS says of the client, so that nobody needs to
// ask for it again.
func (s *Session) IPRev(ctx context.Context) (mailauth.IPRev, bool) {
	c := s.wait(ctx)
	return c.iprev, c.iprev.Result != ""
}

// Help is the page or address that every refusal names.
func (p *Policy) Help() string { return p.o.Help }

func (p *Policy) isOurs(d mail.Domain) bool { return ours(p.o, d) }

// ours reports whether a domain is one of those whose mail is taken.
func ours(o Options, d mail.Domain) bool { return slices.Contains(o.Domains, d) }

// Mark is the loop mark of a recipient: an address at our host that tells nobody but
// us whose it is.
func (o Options) Mark(to mail.Address) mail.Address {
	h := hmac.New(sha256.New, o.Marks)
	h.Write([]byte(strings.ToLower(to.String())))
	return mail.Address{Local: "loop-" + hex.EncodeToString(h.Sum(nil)[:10]), Domain: o.Hostname}
}
