package account

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Attempt is somebody who wants in. TLS is the caller's to demand.
type Attempt struct {
	User, Password string
	From           netip.Addr // invalid: a program on this machine, not throttled by network
	Person         bool       // only the password that the person knows will do, no app password
}

// familiarFor is for how long a network from which a login succeeded stays known, and
// familiarAgain how often that is written down.
const (
	familiarFor   = 90 * 24 * time.Hour
	familiarAgain = 24 * time.Hour
)

// Login checks a user and password, for people and app passwords alike. The error is
// ErrCredentials, ErrThrottled, ErrDisabled (the password was right), or temporary. It
// may take seconds for who has failed before.
func (d *Directory) Login(ctx context.Context, a Attempt) (Principal, error) {
	c, err := d.credentials(ctx, a)
	if err != nil {
		return Principal{}, fmt.Errorf("login: %w", err)
	}
	app := !a.Person && looksLikeAppPassword(a.Password)
	mark := d.hasher.fingerprint("wrong", c.login, a.Password, c.verifier(app))
	wrong := binary.BigEndian.Uint64(mark[:])
	if d.throttle.knows(c.visit(a.From), wrong) {
		return Principal{}, ErrCredentials // said before, nothing has changed: costs nothing, counts nothing
	}
	ok, err := d.verify(ctx, c, a, app)
	if err != nil {
		return Principal{}, err
	}
	if !ok {
		d.throttle.failed(c.visit(a.From), wrong)
		return Principal{}, ErrCredentials
	}
	return d.welcome(ctx, c, a.From)
}

// verify waits for its turn and does the work. A password that was right before, and is
// compared with the same, needs none; but it takes its turn like every other, or else
// guesses at it would be free.
func (d *Directory) verify(ctx context.Context, c credentials, a Attempt, app bool) (ok bool, err error) {
	right := d.hasher.fingerprint("right", c.login, a.Password, c.verifier(app))
	remembered := d.hasher.good.has(right)
	lane := d.hasher.strangers
	switch {
	case app || remembered:
		lane = d.hasher.light
	case c.familiar:
		lane = d.hasher.known
	}
	if err := d.throttle.enter(ctx, c.visit(a.From), lane); err != nil {
		return false, err
	}
	defer func() { <-lane }()
	switch {
	case remembered:
		return true, nil
	case app:
		ok = verifySecret(a.Password, c.salt, c.keys)
	default:
		ok, err = verifyPassword(c.password, a.Password)
	}
	if ok {
		d.hasher.good.add(right)
	}
	return ok, err
}

// welcome is what follows a right password.
func (d *Directory) welcome(ctx context.Context, c credentials, from netip.Addr) (Principal, error) {
	d.throttle.succeeded(c.visit(from))
	if c.disabled {
		return Principal{}, ErrDisabled
	}
	if err := d.recognise(ctx, c, from); err != nil {
		d.log.Warn("a known network was not noted", "login", c.login, "error", err)
	}
	return d.principal(ctx, c.id)
}

// credentials are what is stored of a login. An unknown one has everything empty.
type credentials struct {
	login    string // normal form, whether it exists or not
	id       ID
	password string
	salt     []byte
	keys     []scramKey
	disabled bool
	familiar bool
	seen     time.Time // when the network was noted last
}

// visit is what the throttle needs to know.
func (c *credentials) visit(from netip.Addr) visit {
	return visit{login: c.login, from: from.Unmap(), familiar: c.familiar}
}

// verifier is what a password is compared with.
func (c *credentials) verifier(app bool) string {
	if !app {
		return c.password
	}
	var b strings.Builder
	for _, k := range c.keys {
		b.Write(k.stored)
	}
	return b.String()
}

// loginKey is the normal form of what somebody typed as the user; long nonsense is cut.
func loginKey(user string) string {
	user = strings.TrimSpace(user)
	if a, err := mail.ParseAddress(user); err == nil {
		return key(a)
	}
	return strings.ToValidUTF8(strings.ReplaceAll(user[:min(len(user), 300)], "\x00", ""), "")
}

// credentials reads what is stored of the login, with the same queries for one that
// does not exist.
func (d *Directory) credentials(ctx context.Context, a Attempt) (credentials, error) {
	var c credentials
	err := d.store.Read(ctx, func(tx *store.Tx) error {
		c = credentials{login: loginKey(a.User)}
		err := tx.Row(`SELECT id, password, salt, disabled FROM account_account WHERE address = $1`, c.login).
			Scan((*int64)(&c.id), &c.password, &c.salt, &c.disabled)
		if err != nil && !errors.Is(err, store.ErrNoRow) {
			return err
		}
		err = tx.Row(`SELECT seen FROM account_familiar WHERE account = $1 AND network = $2`, int64(c.id), networkOf(a.From)).Scan(&c.seen)
		if err != nil && !errors.Is(err, store.ErrNoRow) {
			return err
		}
		c.familiar = err == nil && d.now().Sub(c.seen) < familiarFor
		c.keys, err = readKeys(tx, c.id)
		return err
	})
	return c, err
}

func readKeys(tx *store.Tx, id ID) (keys []scramKey, err error) {
	rows, err := tx.Rows(`SELECT stored_key, server_key FROM account_secret WHERE account = $1 ORDER BY created DESC, label`, int64(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k scramKey
		if err := rows.Scan(&k.stored, &k.server); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// recognise notes the network of a login that succeeded, once a day.
func (d *Directory) recognise(ctx context.Context, c credentials, from netip.Addr) error {
	now := d.now()
	if !from.IsValid() || c.familiar && now.Sub(c.seen) < familiarAgain {
		return nil
	}
	return d.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO account_familiar (account, network, seen) VALUES ($1, $2, $3)
			ON CONFLICT (account, network) DO UPDATE SET seen = excluded.seen`, int64(c.id), networkOf(from), now)
		return err
	})
}

// Sweep forgets networks that nobody logged in from for long.
func (d *Directory) Sweep(ctx context.Context) error {
	before := store.Micros(d.now().Add(-familiarFor))
	return d.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM account_familiar WHERE seen < $1`, before)
		return err
	})
}

// principal is what a login may do.
func (d *Directory) principal(ctx context.Context, id ID) (p Principal, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		p, err = d.principalTx(tx, id)
		return err
	})
	if err != nil {
		return Principal{}, fmt.Errorf("login: %w", err)
	}
	return p, nil
}

// PrincipalOf is what an account may do, without its password: for what the server does
// in its name. ErrCredentials when the account is gone.
func (d *Directory) PrincipalOf(tx *store.Tx, id ID) (Principal, error) {
	return d.principalTx(tx, id)
}

func (d *Directory) principalTx(tx *store.Tx, id ID) (Principal, error) {
	a, err := scanAccount(tx.Row(selectAccounts+`WHERE id = $1`, int64(id)).Scan)
	if err != nil {
		return Principal{}, noRow(err, ErrCredentials) // deleted this moment
	}
	p := Principal{Kind: Login, Name: a.Address.String(), Account: id, Owner: id, Limits: a.Limits}
	if p.Held, err = isHeld(tx, p.Name); err != nil {
		return Principal{}, err
	}
	p.Senders, err = d.sendersOf(tx, a)
	return p, err
}

// sendersOf are the addresses an account may write as: its own, those of the aliases
// that lead straight to it, and the role addresses of the domains it administers.
func (d *Directory) sendersOf(tx *store.Tx, a Account) ([]Sender, error) {
	senders := []Sender{{Address: a.Address}}
	rows, err := tx.Rows(`SELECT address FROM account_target WHERE target = $1 ORDER BY address`, a.Address.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if s, err := ParseSender(text); err == nil && s.Domain.IsZero() { // a catch-all is nobody's own address
			senders = append(senders, s)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, domain := range d.Domains() {
		admin, err := d.Admin(tx, domain)
		if err != nil && !errors.Is(err, ErrNoAdmin) {
			return nil, err
		}
		if err == nil && admin == a.ID {
			for _, local := range roles {
				senders = append(senders, Sender{Address: mail.Address{Local: local, Domain: domain}})
			}
		}
	}
	return senders, nil
}

// Scram gives the keys that verify a client of SCRAM-SHA-256, those of the app
// passwords, and who it is when the proof is right; call Authenticated then. A user
// without any app password gets keys that never fit, the same salt every time, and is
// Nobody. Nothing is throttled: no proof can be made from a guess at 100 random bits.
func (d *Directory) Scram(ctx context.Context, a Attempt) (ScramKeys, Principal, error) {
	c, err := d.credentials(ctx, a)
	if err != nil {
		return ScramKeys{}, Principal{}, fmt.Errorf("login: %w", err)
	}
	if len(c.keys) == 0 || c.disabled {
		k, err := d.madeUpKeys(ctx, c)
		if err != nil {
			return ScramKeys{}, Principal{}, fmt.Errorf("login: %w", err)
		}
		return k, Principal{}, nil
	}
	p, err := d.principal(ctx, c.id)
	return scramKeys(c.salt, c.keys), p, err
}

// madeUpKeys have the account's salt if there is one, else a salt derived from the name:
// a salt that changed with every try would tell that the user does not exist.
func (d *Directory) madeUpKeys(ctx context.Context, c credentials) (ScramKeys, error) {
	secret, err := d.secret(ctx)
	if err != nil {
		return ScramKeys{}, err
	}
	salt := c.salt
	if len(salt) == 0 {
		salt = keyed(secret, "salt "+c.login)[:saltSize]
	}
	k := scramKey{stored: make([]byte, 32), server: make([]byte, 32)}
	rand.Read(k.stored)
	rand.Read(k.server)
	return scramKeys(salt, []scramKey{k}), nil
}

// secret is random and the same for all processes and for ever.
func (d *Directory) secret(ctx context.Context) (secret []byte, err error) {
	read := func(tx *store.Tx) error { return tx.Row(`SELECT secret FROM account_stamp`).Scan(&secret) }
	if err = d.store.Read(ctx, read); err != nil || len(secret) > 0 {
		return secret, err
	}
	fresh := make([]byte, 32)
	rand.Read(fresh)
	err = d.store.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE account_stamp SET secret = $1 WHERE secret IS NULL`, fresh); err != nil {
			return err
		}
		return read(tx)
	})
	return secret, err
}

// Authenticated is who a client is that has proved to SCRAM that it knows a key.
func (d *Directory) Authenticated(ctx context.Context, a Attempt) (Principal, error) {
	c, err := d.credentials(ctx, a)
	if err != nil {
		return Principal{}, fmt.Errorf("login: %w", err)
	}
	if len(c.keys) == 0 {
		return Principal{}, ErrCredentials
	}
	return d.welcome(ctx, c, a.From)
}
