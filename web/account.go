package web

import (
	"cmp"
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

// Alias is an address that leads to others; "@example.com" is a catch-all.
type Alias struct {
	From  string   `json:"from"`
	To    []string `json:"to,omitempty"`
	Owner string   `json:"owner,omitempty"` // gets the failures; absent: the domain's admin

	// Instead says that the account which has the address shall get its mail no more.
	Instead bool `json:"instead,omitempty"`
	// Replace says that an alias which leads elsewhere is to be changed.
	Replace bool `json:"replace,omitempty"`
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

// aliasName is the address of an alias, "@example.com" for a catch-all.
func aliasName(from mail.Address) string {
	if from.Local == "" {
		return "@" + from.Domain.String()
	}
	return from.String()
}

func (p people) addAlias(ctx context.Context, in Alias) (None, error) {
	var owner account.ID
	if in.Owner != "" {
		a, err := p.find(ctx, in.Owner)
		if err != nil {
			return None{}, err
		}
		owner = a.ID
	}
	var to []mail.Address
	for _, text := range in.To {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return None{}, peopleError(err)
		}
		to = append(to, a)
	}
	from, domain, err := parseAlias(in.From)
	if err == nil {
		err = p.checkTargets(ctx, from, to)
	}
	if err == nil && !in.Replace {
		err = p.checkNew(ctx, cmp.Or(from, mail.Address{Domain: domain}), to)
	}
	switch {
	case err != nil:
	case !domain.IsZero():
		err = p.dir.SetCatchAll(ctx, domain, to, owner)
	case !in.Instead && !slices.Contains(to, from) && p.isAccount(ctx, from):
		return None{}, &Error{
			Kind: Conflict, Text: fmt.Sprintf("%s has a mailbox, which would get nothing any more", from),
			Hint: fmt.Sprintf("keep a copy there with --to %s as well, or say --instead", from),
		}
	default:
		err = p.dir.AddAlias(ctx, account.Alias{From: from, To: to, Owner: owner})
	}
	return None{}, peopleError(err)
}

// checkTargets wants every target of ours to exist. An account may keep a copy of what its
// address gets; any other address leads to others.
func (p people) checkTargets(ctx context.Context, from mail.Address, to []mail.Address) error {
	return p.store.Read(ctx, func(tx *store.Tx) error {
		for _, a := range to {
			if account.Normal(a) == account.Normal(from) && p.isAccount(ctx, from) {
				continue
			}
			found, err := p.dir.Resolve(tx, a)
			circle := !from.IsZero() && account.Normal(a) == account.Normal(from)
			switch {
			case circle, err == nil && found.CatchAll, errors.Is(err, account.ErrNoMailbox):
				return &Error{
					Kind: Invalid, Text: fmt.Sprintf("%s would lead to %s: no such mailbox", aliasOrCatchAll(from), a),
					Hint: "make it first, with: allgreen account add, or: allgreen account alias add",
				}
			case err != nil && !errors.Is(err, account.ErrNotLocal) && !errors.Is(err, account.ErrNoAdmin) && !errors.Is(err, account.ErrDisabled):
				return err
			}
		}
		return nil
	})
}

func aliasOrCatchAll(from mail.Address) string {
	if from.IsZero() {
		return "the catch-all"
	}
	return from.String()
}

// checkNew refuses to change what an address leads to without having been told to.
func (p people) checkNew(ctx context.Context, from mail.Address, to []mail.Address) error {
	all, err := p.dir.Aliases(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a account.Alias) bool { return a.From == account.Normal(from) })
	if i < 0 || slices.Equal(all[i].To, to) {
		return nil
	}
	var have []string
	for _, a := range all[i].To {
		have = append(have, a.String())
	}
	return &Error{
		Kind: Conflict, Text: fmt.Sprintf("%s leads to %s already", aliasName(from), strings.Join(have, ", ")),
		Hint: "say --replace to change that, and name all whom it shall lead to",
	}
}

func (p people) isAccount(ctx context.Context, address mail.Address) bool {
	_, err := p.dir.Get(ctx, address)
	return err == nil
}

// parseAlias reads an address, or "@example.com" for all of a domain.
func parseAlias(text string) (from mail.Address, catchAll mail.Domain, err error) {
	if len(text) > 0 && text[0] == '@' {
		catchAll, err = mail.ParseDomain(text[1:])
		return from, catchAll, err
	}
	from, err = mail.ParseAddress(text)
	return from, catchAll, err
}

func (p people) removeAlias(ctx context.Context, in Alias) (None, error) {
	from, domain, err := parseAlias(in.From)
	switch {
	case err != nil:
	case !domain.IsZero():
		err = p.dir.RemoveCatchAll(ctx, domain)
	default:
		err = p.dir.RemoveAlias(ctx, from)
	}
	return None{}, peopleError(err)
}

func (p people) aliases(ctx context.Context, _ None) ([]Alias, error) {
	found, err := p.dir.Aliases(ctx)
	if err != nil {
		return nil, peopleError(err)
	}
	names, err := p.names(ctx)
	all := make([]Alias, 0, len(found))
	for _, l := range found {
		a := Alias{From: aliasName(l.From), Owner: names[l.Owner]}
		for _, to := range l.To {
			a.To = append(a.To, to.String())
		}
		all = append(all, a)
	}
	return all, err
}

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
