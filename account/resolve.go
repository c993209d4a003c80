package account

import (
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Bounds of the expansion of one recipient.
const (
	maxLevels  = 10   // aliases of aliases
	maxTargets = 1000 // mailboxes and forwards
)

// Destination is whose mail it is. It is shared by all who ask the same: do not change it.
type Destination struct {
	Mailboxes []Target
	Forwards  []Forward
	Role      bool // a role address: never refused for its content or sender's reputation
	CatchAll  bool // nobody has the address; the catch-all takes it
}

// Target is one mailbox.
type Target struct {
	Account ID
	Address mail.Address // the account's
	Folder  string       // the detail of user+detail: this folder if there is one, else the INBOX
}

// Forward is an address elsewhere that gets a copy.
type Forward struct {
	To    mail.Address
	Owner ID // gets the failures; zero when there is nobody
}

// Resolve answers whose mail it is, from memory where it can. It must not be asked in
// a transaction that changes the directory. The error is ErrNotLocal, ErrNoMailbox,
// ErrDisabled, ErrExpansion, or temporary.
func (d *Directory) Resolve(tx *store.Tx, rcpt mail.Address) (Destination, error) {
	s := d.settings.Load()
	rcpt = Normal(rcpt)
	if rcpt.Domain.IsZero() && rcpt.Local == "postmaster" && !rcpt.Literal.IsValid() && len(s.domains) > 0 {
		rcpt.Domain = s.domains[0] // RFC 5321 section 4.1.1.3: <Postmaster> is ours always
	}
	if !d.IsLocal(rcpt.Domain) {
		return Destination{}, fmt.Errorf("%w: %s", ErrNotLocal, rcpt.Domain)
	}
	if err := d.fresh(tx); err != nil {
		return Destination{}, err
	}
	if to, ok := d.cache.get(rcpt); ok {
		return to, nil
	}
	stamp, err := readStamp(tx)
	if err != nil {
		return Destination{}, err
	}
	to, err := d.expand(tx, rcpt)
	if err != nil {
		return Destination{}, fmt.Errorf("%s: %w", rcpt, err)
	}
	d.cache.put(rcpt, to, stamp)
	return to, nil
}

// expand finds out what Resolve remembers.
func (d *Directory) expand(tx *store.Tx, rcpt mail.Address) (Destination, error) {
	x := &expansion{d: d, tx: tx, seen: map[string]bool{}}
	user, detail := SplitDetail(rcpt.Local)
	x.to.Role = isRole(user)
	e, err := x.find(rcpt, true)
	if errors.Is(err, ErrNoMailbox) && x.to.Role {
		return x.to, x.toAdmin(rcpt.Domain)
	}
	if err != nil {
		return Destination{}, err
	}
	if e.address == key(rcpt) {
		detail = "" // somebody has this very address, plus sign and all
	}
	x.to.CatchAll = e.address == catchAllKey(rcpt.Domain)
	if x.to.CatchAll {
		if x.to.Role {
			x.to.CatchAll = false
			return x.to, x.toAdmin(rcpt.Domain)
		}
		detail = ""
	}
	if err := x.follow(e, detail, 0); err != nil {
		return Destination{}, err
	}
	if len(x.to.Mailboxes)+len(x.to.Forwards) == 0 {
		return Destination{}, x.nobody()
	}
	return x.to, nil
}

// expansion is one recipient being followed to its ends.
type expansion struct {
	d        *Directory
	tx       *store.Tx
	to       Destination
	seen     map[string]bool // entries followed
	disabled bool            // an end was a disabled account
}

// nobody says why there is no end that takes mail.
func (x *expansion) nobody() error {
	if x.disabled {
		return ErrDisabled
	}
	return ErrNoMailbox
}

// entry is one row of addresses, and where it leads.
type entry struct {
	address  string
	account  ID // zero: an alias only
	disabled bool
	owner    ID // zero: the domain's admin
	targets  []string
}

// find looks an address up: itself, without its detail, and the catch-all.
func (x *expansion) find(a mail.Address, catchAll bool) (entry, error) {
	keys := []string{key(a), key(base(a)), ""}
	if catchAll {
		keys[2] = catchAllKey(a.Domain)
	}
	rows, err := x.tx.Rows(`SELECT a.address, COALESCE(a.account, 0), COALESCE(a.owner, 0), COALESCE(c.disabled, 0), COALESCE(t.target, '')
		FROM account_address a LEFT JOIN account_account c ON c.id = a.account
		LEFT JOIN account_target t ON t.address = a.address
		WHERE a.address IN ($1, $2, $3) ORDER BY t.position`, keys[0], keys[1], keys[2])
	if err != nil {
		return entry{}, fmt.Errorf("look up the address: %w", err)
	}
	defer rows.Close()
	found := map[string]*entry{}
	for rows.Next() {
		var e entry
		var target string
		if err := rows.Scan(&e.address, (*int64)(&e.account), (*int64)(&e.owner), &e.disabled, &target); err != nil {
			return entry{}, err
		}
		have := found[e.address]
		if have == nil {
			have = &e
			found[e.address] = have
		}
		if target != "" {
			have.targets = append(have.targets, target)
		}
	}
	if err := rows.Err(); err != nil {
		return entry{}, fmt.Errorf("look up the address: %w", err)
	}
	for _, k := range keys {
		if e := found[k]; e != nil {
			return *e, nil
		}
	}
	return entry{}, ErrNoMailbox
}

// follow adds the ends of an entry.
func (x *expansion) follow(e entry, detail string, level int) error {
	if len(e.targets) == 0 || x.seen[e.address] {
		return x.addMailbox(e, detail) // an alias that comes back to itself ends here
	}
	if level >= maxLevels {
		return ErrExpansion
	}
	x.seen[e.address] = true
	if len(e.targets) > 1 {
		detail = "" // the detail was one person's
	}
	for _, target := range e.targets {
		if err := x.followTarget(e, target, detail, level); err != nil {
			return err
		}
	}
	return nil
}

func (x *expansion) followTarget(from entry, target, detail string, level int) error {
	a, err := mail.ParseAddress(target)
	if err != nil {
		return fmt.Errorf("target of %s: %w", from.address, err)
	}
	if !x.d.IsLocal(a.Domain) {
		return x.addForward(a, from)
	}
	e, err := x.find(a, false)
	switch {
	case errors.Is(err, ErrNoMailbox) && isRole(a.Local):
		return x.toAdmin(a.Domain)
	case errors.Is(err, ErrNoMailbox):
		return nil // somebody who left; the others still get their mail
	case err != nil:
		return err
	}
	if own, of := SplitDetail(a.Local); of != "" && e.address != key(a) && own != "" {
		detail = of // the alias itself says which folder
	}
	return x.follow(e, detail, level+1)
}

func (x *expansion) addMailbox(e entry, detail string) error {
	if e.account == 0 {
		return nil
	}
	if e.disabled {
		x.disabled = true
		return nil
	}
	if slices.ContainsFunc(x.to.Mailboxes, func(t Target) bool { return t.Account == e.account }) {
		return nil
	}
	a, err := mail.ParseAddress(e.address)
	if err != nil {
		return err
	}
	x.to.Mailboxes = append(x.to.Mailboxes, Target{Account: e.account, Address: a, Folder: detail})
	return x.bound()
}

func (x *expansion) addForward(to mail.Address, from entry) error {
	if slices.ContainsFunc(x.to.Forwards, func(f Forward) bool { return f.To == to }) {
		return nil
	}
	owner := from.owner
	if owner == 0 {
		owner = from.account
	}
	if owner == 0 {
		var err error
		if owner, err = x.d.ownerOfAddress(x.tx, from.address); err != nil && !errors.Is(err, ErrNoAdmin) {
			return err
		}
	}
	x.to.Forwards = append(x.to.Forwards, Forward{To: to, Owner: owner})
	return x.bound()
}

func (x *expansion) bound() error {
	if len(x.to.Mailboxes)+len(x.to.Forwards) > maxTargets {
		return ErrExpansion
	}
	return nil
}

// toAdmin leads a role address to the admin of its domain. An admin that does not
// exist yet is a temporary error: the mail waits at its sender.
func (x *expansion) toAdmin(domain mail.Domain) error {
	id, err := x.d.Admin(x.tx, domain)
	if err == nil {
		address, err := addressOf(x.tx, id)
		if err != nil {
			return err
		}
		e, err := x.find(address, false)
		if err != nil {
			return err
		}
		return x.follow(e, "", 0)
	}
	admin := x.d.settings.Load().admin
	if errors.Is(err, ErrNoAdmin) && !admin.IsZero() && !x.d.IsLocal(admin.Domain) {
		x.to.Forwards = append(x.to.Forwards, Forward{To: admin})
		return nil
	}
	return err
}
