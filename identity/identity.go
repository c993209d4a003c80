package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// topic is woken in the store when a key, secret or certificate changed.
const topic = "identity"

// Options are what an Identity is made from. Store, World, Statement and NodeKeyFile
// are needed.
type Options struct {
	Store        *store.Store // with Schema among its schemas
	World        *world.World
	Statement    Statement
	NodeKeyFile  string // the file with the node key; made where nothing was sealed yet
	Certificates Certificates
	Log          *slog.Logger // nil: nowhere
}

// Identity is who we are. It is safe for concurrent use.
type Identity struct {
	store *store.Store
	world *world.World
	log   *slog.Logger
	seal  *sealer
	root  []byte // the secret from which others are derived

	refreshing sync.Mutex    // one Refresh at a time
	restated   chan struct{} // wakes Run
	said       atomic.Pointer[said]
	signers    atomic.Pointer[map[mail.Domain][]*dkim.Signer]
	keys       atomic.Pointer[map[mail.Domain][]Key]
	table      atomic.Pointer[table]
	facts      atomic.Pointer[map[string]string]
}

// said is what the configuration says, as one value.
type said struct {
	Statement
	certificates Certificates
}

// Open reads or makes the keys and secrets. Certificates that are to be fetched are
// fetched by Run; until then a self-signed one stands in.
func Open(ctx context.Context, o Options) (*Identity, error) {
	if o.Store == nil || o.World == nil || o.NodeKeyFile == "" {
		return nil, errors.New("open identity: a store, a world and the place of the node key are needed")
	}
	i := &Identity{store: o.Store, world: o.World, log: o.Log, restated: make(chan struct{}, 1)}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if err := i.unlock(ctx, o.NodeKeyFile); err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	if err := i.Restate(ctx, o.Statement, o.Certificates); err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	return i, nil
}

// Restate makes another statement count, after the configuration was read again. What
// is new is made; nothing is thrown away. Run fetches what is missing at once.
func (i *Identity) Restate(ctx context.Context, s Statement, c Certificates) error {
	checked, err := s.checked()
	if err != nil {
		return err
	}
	for _, d := range checked.Domains {
		if err := i.makeSigningKeys(ctx, d); err != nil {
			return fmt.Errorf("keys of %s: %w", d, err)
		}
	}
	for _, name := range checked.certificateNames() {
		if err := i.makeCertificateKey(ctx, name); err != nil {
			return fmt.Errorf("key of %s: %w", name, err)
		}
	}
	i.said.Store(&said{*checked, c})
	select {
	case i.restated <- struct{}{}:
	default: // Run has not looked yet
	}
	return i.reload(ctx)
}

// reload reads what the store and the files hold now.
func (i *Identity) reload(ctx context.Context) error {
	if err := i.loadFacts(ctx); err != nil {
		return fmt.Errorf("read what is known: %w", err)
	}
	if err := i.loadSigningKeys(ctx); err != nil {
		return fmt.Errorf("read the DKIM keys: %w", err)
	}
	return i.loadCertificates(ctx)
}

// Statement is what we say of ourselves now.
func (i *Identity) Statement() Statement { return i.said.Load().Statement }

// Egress are the addresses that mail leaves from.
func (i *Identity) Egress() []Egress { return slices.Clone(i.said.Load().Egress) }

// HELO is the name to say from an egress address: the one its PTR record has (RFC
// 5321 section 4.1.1.1). An address that is none of ours says the host name.
func (i *Identity) HELO(egress netip.Addr) mail.Domain {
	s := i.said.Load()
	for _, e := range s.Egress {
		if e.IP == egress.Unmap() {
			return e.Name
		}
	}
	return s.Hostname
}
