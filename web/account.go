package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about people, and whoever else may send.
var (
	AccountAdd       = Call[NewAccount, Account]{"account.add"}
	AccountList      = Call[None, []Account]{"account.list"}
	AccountShow      = Call[AccountName, AccountDetail]{"account.show"}
	AccountPassword  = Call[NewPassword, None]{"account.password"}
	AccountDisable   = Call[Disabling, None]{"account.disable"}
	AccountRemove    = Call[AccountName, None]{"account.remove"}
	AppPasswordAdd   = Call[AppPassword, Secret]{"app-password.add"}
	AppPasswordGone  = Call[AppPassword, None]{"app-password.remove"}
	AliasAdd         = Call[Alias, None]{"alias.add"}
	AliasList        = Call[None, []Alias]{"alias.list"}
	AliasRemove      = Call[Alias, None]{"alias.remove"}
	PrincipalHold    = Call[Holding, QueueChanged]{"principal.hold"}
	PrincipalFree    = Call[Freeing, QueueChanged]{"principal.free"}
	PrincipalsOnHold = Call[None, []Held]{"principal.held"}
)

// AccountName names an account by its address.
type AccountName struct {
	Address string `json:"address"`
}

// NewAccount describes an account to be made.
type NewAccount struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"` // empty: only app passwords until one is set
	Quota    int64  `json:"quota,omitempty"`    // octets; zero: no limit
}

// NewPassword changes a password.
type NewPassword struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// Disabling stops an account, its mail and its logins, or lets it go on.
type Disabling struct {
	Address  string `json:"address"`
	Disabled bool   `json:"disabled"`
}

// Account is somebody with a mailbox.
type Account struct {
	Address  string    `json:"address"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
	Messages int64     `json:"messages"`
	Octets   int64     `json:"octets"`
	Quota    int64     `json:"quota,omitempty"` // octets; absent: no limit
	Held     string    `json:"held,omitempty"`  // why what it sends waits

	QuotaMessages int64 `json:"quota_messages,omitempty"` // absent: no limit
}

// AccountDetail is an account with all that belongs to it.
type AccountDetail struct {
	Account
	RecipientsPerHour int           `json:"recipients_per_hour,omitempty"` // absent: the default
	RecipientsPerDay  int           `json:"recipients_per_day,omitempty"`
	AppPasswords      []AppPassword `json:"app_passwords"`
	Aliases           []string      `json:"aliases"` // addresses that lead here
	Folders           []Folder      `json:"folders"`
}

// Folder is a folder of a mailbox.
type Folder struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
	Octets   int64  `json:"octets"`
}

// AppPassword is a password of one program of a person.
type AppPassword struct {
	Address string    `json:"address,omitempty"`
	Label   string    `json:"label"`
	Created time.Time `json:"created,omitzero"`
}

// Secret is shown once.
type Secret struct {
	Secret string `json:"secret"`
}

// Holding has what a login, device or token sends wait.
type Holding struct {
	Name string `json:"name"` // "anna@example.com", "device:printer", "token:crm"
	Why  string `json:"why,omitempty"`
}

// Freeing lets it send again; what waits goes out, or is dropped.
type Freeing struct {
	Name string `json:"name"`
	Drop bool   `json:"drop,omitempty"`
}

// Held is a sender whose mail waits.
type Held struct {
	Name  string    `json:"name"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// people answers the calls about accounts.
type people struct {
	store *store.Store
	dir   *account.Directory
	queue *queue.Queue
	now   func() time.Time
}

func (p people) add(mux *http.ServeMux) {
	answer(mux, AccountAdd, p.create)
	answer(mux, AccountList, p.list)
	answer(mux, AccountShow, p.show)
	answer(mux, AccountQuota, p.setQuota)
	answer(mux, AccountPassword, func(ctx context.Context, in NewPassword) (None, error) {
		return p.with(ctx, in.Address, func(id account.ID) error { return p.dir.SetPassword(ctx, id, in.Password) })
	})
	answer(mux, AccountDisable, func(ctx context.Context, in Disabling) (None, error) {
		return p.with(ctx, in.Address, func(id account.ID) error { return p.dir.SetDisabled(ctx, id, in.Disabled) })
	})
	answer(mux, AccountRemove, func(ctx context.Context, in AccountName) (None, error) {
		return p.with(ctx, in.Address, func(id account.ID) error { return p.dir.Delete(ctx, id) })
	})
	answer(mux, AppPasswordAdd, p.addAppPassword)
	answer(mux, AppPasswordGone, func(ctx context.Context, in AppPassword) (None, error) {
		return p.with(ctx, in.Address, func(id account.ID) error { return p.dir.RemoveAppPassword(ctx, id, in.Label) })
	})
	answer(mux, AliasAdd, p.addAlias)
	answer(mux, AliasList, p.aliases)
	answer(mux, AliasRemove, p.removeAlias)
	answer(mux, PrincipalHold, p.hold)
	answer(mux, PrincipalFree, p.free)
	answer(mux, PrincipalsOnHold, p.held)
}

// peopleError gives the errors of the directory their kind.
func peopleError(err error) error {
	for _, k := range []struct {
		is   error
		kind Kind
		hint string
	}{
		{account.ErrNoAccount, NotFound, "allgreen account list shows all accounts"},
		{account.ErrNotFound, NotFound, ""},
		{account.ErrExists, Conflict, ""},
		{account.ErrInFile, Conflict, "change it there, then: allgreen serve --reload"},
		{account.ErrNotLocal, Invalid, "the domains that have their mail here stand in the configuration: domains"},
		{account.ErrWeakPassword, Invalid, "leave it out, and a good one is made"},
		{account.ErrNetwork, Invalid, ""},
		{errLabel, Conflict, "choose another name, or remove it first with --remove"},
		{mail.ErrAddress, Invalid, ""},
		{mail.ErrDomain, Invalid, ""},
	} {
		if errors.Is(err, k.is) {
			return &Error{Kind: k.kind, Text: err.Error(), Hint: k.hint}
		}
	}
	if store.Temporary(err) {
		return &Error{Kind: Temporary, Text: err.Error()}
	}
	return err
}

// find is the account of an address in words.
func (p people) find(ctx context.Context, address string) (account.Account, error) {
	a, err := mail.ParseAddress(address)
	if err != nil {
		return account.Account{}, peopleError(err)
	}
	found, err := p.dir.Get(ctx, a)
	return found, peopleError(err)
}

func (p people) with(ctx context.Context, address string, do func(account.ID) error) (None, error) {
	a, err := p.find(ctx, address)
	if err != nil {
		return None{}, err
	}
	return None{}, peopleError(do(a.ID))
}

func (p people) create(ctx context.Context, in NewAccount) (Account, error) {
	a, err := mail.ParseAddress(in.Address)
	if err != nil {
		return Account{}, peopleError(err)
	}
	id, err := p.dir.Create(ctx, account.New{Address: a, Password: in.Password})
	if err != nil {
		return Account{}, peopleError(err)
	}
	if in.Quota > 0 {
		err = p.store.Write(ctx, func(tx *store.Tx) error { return mailbox.SetQuota(tx, int64(id), mailbox.Quota{Bytes: in.Quota}) })
		if err != nil {
			return Account{}, peopleError(err)
		}
	}
	made, err := p.dir.Get(ctx, a)
	if err != nil {
		return Account{}, peopleError(err)
	}
	return p.describe(ctx, made, nil)
}

func (p people) list(ctx context.Context, _ None) ([]Account, error) {
	found, err := p.dir.List(ctx)
	if err != nil {
		return nil, peopleError(err)
	}
	holds, err := p.dir.Holds(ctx)
	if err != nil {
		return nil, peopleError(err)
	}
	all := make([]Account, 0, len(found))
	for _, a := range found {
		described, err := p.describe(ctx, a, holds)
		if err != nil {
			return nil, err
		}
		all = append(all, described)
	}
	return all, nil
}

// describe adds the room that an account has and takes.
func (p people) describe(ctx context.Context, a account.Account, holds []account.HeldPrincipal) (Account, error) {
	out := Account{Address: a.Address.String(), Disabled: a.Disabled, Created: inUTC(a.Created)}
	for _, h := range holds {
		if h.Name == out.Address {
			out.Held = h.Why
		}
	}
	err := p.store.Read(ctx, func(tx *store.Tx) error {
		room, used, err := mailbox.Usage(tx, int64(a.ID))
		out.Quota, out.QuotaMessages, out.Messages, out.Octets = room.Bytes, room.Messages, used.Messages, used.Bytes
		return err
	})
	return out, peopleError(err)
}

func (p people) show(ctx context.Context, in AccountName) (AccountDetail, error) {
	var d AccountDetail
	a, err := p.find(ctx, in.Address)
	if err != nil {
		return d, err
	}
	holds, err := p.dir.Holds(ctx)
	if err != nil {
		return d, peopleError(err)
	}
	if d.Account, err = p.describe(ctx, a, holds); err != nil {
		return d, err
	}
	d.RecipientsPerHour, d.RecipientsPerDay = a.Limits.PerHour, a.Limits.PerDay
	d.AppPasswords, d.Aliases, d.Folders = []AppPassword{}, []string{}, []Folder{}
	secrets, err := p.dir.AppPasswords(ctx, a.ID)
	if err != nil {
		return d, peopleError(err)
	}
	for _, s := range secrets {
		d.AppPasswords = append(d.AppPasswords, AppPassword{Label: s.Label, Created: inUTC(s.Created)})
	}
	aliases, err := p.dir.Aliases(ctx)
	if err != nil {
		return d, peopleError(err)
	}
	for _, l := range aliases {
		if slices.Contains(l.To, a.Address) {
			d.Aliases = append(d.Aliases, aliasName(l.From))
		}
	}
	d.Folders, err = p.folders(ctx, a.ID)
	return d, peopleError(err)
}

func (p people) folders(ctx context.Context, id account.ID) ([]Folder, error) {
	all := []Folder{}
	err := p.store.Read(ctx, func(tx *store.Tx) error {
		found, err := mailbox.Folders(tx, int64(id))
		for _, f := range found {
			all = append(all, Folder{Name: f.Name, Messages: f.Messages, Octets: f.Bytes})
		}
		return err
	})
	return all, err
}

func (p people) addAppPassword(ctx context.Context, in AppPassword) (Secret, error) {
	var secret string
	_, err := p.with(ctx, in.Address, func(id account.ID) (err error) {
		all, err := p.dir.AppPasswords(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(s account.AppPasswordInfo) bool { return s.Label == in.Label }) {
			return fmt.Errorf("%s has an app password called %q: %w", in.Address, in.Label, errLabel)
		}
		secret, err = p.dir.AppPassword(ctx, id, in.Label)
		return err
	})
	return Secret{secret}, err
}

// errLabel keeps a program from being locked out by another of the same name.
var errLabel = errors.New("there can be one of a name")

// names are the addresses of all accounts.
func (p people) names(ctx context.Context) (map[account.ID]string, error) {
	found, err := p.dir.List(ctx)
	names := make(map[account.ID]string, len(found))
	for _, a := range found {
		names[a.ID] = a.Address.String()
	}
	return names, peopleError(err)
}

// hold stops a sender, and what it has in the queue.
func (p people) hold(ctx context.Context, in Holding) (QueueChanged, error) {
	if in.Name == "" {
		return QueueChanged{}, &Error{Kind: Invalid, Text: "whose mail is to be held?", Hint: `name a login, "device:NAME" or "token:NAME"`}
	}
	if err := p.knows(ctx, in.Name); err != nil {
		return QueueChanged{}, err
	}
	if in.Why == "" {
		in.Why = "held by an administrator"
	}
	if err := p.dir.Hold(ctx, in.Name, in.Why); err != nil {
		return QueueChanged{}, peopleError(err)
	}
	done, err := p.queue.Hold(ctx, queue.Selection{Origin: in.Name}, in.Why)
	return QueueChanged{done.Jobs, done.Busy}, peopleError(err)
}

// knows refuses a name that nobody has: a hold that holds nobody looks like one that
// does.
func (p people) knows(ctx context.Context, name string) error {
	kind, rest, _ := strings.Cut(name, ":")
	known := kind == "local" // a user of this machine; they are the system's
	switch kind {
	case "device":
		all, err := p.dir.Devices(ctx)
		if err != nil {
			return peopleError(err)
		}
		known = slices.ContainsFunc(all, func(d account.Device) bool { return d.Name == rest })
	case "token":
		all, err := p.dir.Tokens(ctx)
		if err != nil {
			return peopleError(err)
		}
		known = slices.ContainsFunc(all, func(t account.TokenInfo) bool { return t.Name == rest })
	default:
		if address, err := mail.ParseAddress(name); err == nil {
			known = p.isAccount(ctx, address)
		}
	}
	if known {
		return nil
	}
	return &Error{Kind: NotFound, Text: fmt.Sprintf("no sender is called %q", name), Hint: `name a login, "device:NAME" or "token:NAME"`}
}

// free lets a sender go on; what was held goes out, or away.
func (p people) free(ctx context.Context, in Freeing) (QueueChanged, error) {
	err := p.dir.Free(ctx, in.Name)
	if errors.Is(err, account.ErrNotFound) {
		return QueueChanged{}, &Error{Kind: NotFound, Text: fmt.Sprintf("%q is not on hold", in.Name), Hint: "allgreen account held shows who is"}
	}
	if err != nil {
		return QueueChanged{}, peopleError(err)
	}
	held := queue.Selection{Origin: in.Name, States: []queue.State{queue.Held}}
	do := p.queue.Release
	if in.Drop {
		do = p.queue.Drop
	}
	done, err := do(ctx, held)
	return QueueChanged{done.Jobs, done.Busy}, peopleError(err)
}

func (p people) held(ctx context.Context, _ None) ([]Held, error) {
	found, err := p.dir.Holds(ctx)
	all := make([]Held, 0, len(found))
	for _, h := range found {
		all = append(all, Held{Name: h.Name, Why: h.Why, Since: inUTC(h.Since)})
	}
	return all, peopleError(err)
}
