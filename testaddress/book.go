package testaddress

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// The errors that callers tell apart. All others are temporary.
var (
	ErrNone    = errors.New("there is no such test address")
	ErrOver    = errors.New("the test address takes no more mail: its hour is over")
	ErrFull    = errors.New("the test address has taken all the messages that it takes")
	ErrBusy    = errors.New("too many test messages wait for their verdict")
	ErrTooMany = errors.New("too many test addresses were made: try again later")
)

// Judge says what is to be said of a message. Arrival.Known is what the session found.
type Judge func(ctx context.Context, a *Arrival, raw []byte) (Verdict, error)

// Options are what a Book is made from; all but Log must be there.
type Options struct {
	Store  *store.Store
	Now    func() time.Time
	Domain func() mail.Domain // of new addresses
	Judge  Judge
	Log    *slog.Logger // nil: nowhere
}

// Book is all test addresses of a server. It is safe for use by many goroutines.
type Book struct {
	o     Options
	rates *rates
	fresh chan fresh // what came in through this process, to be judged
}

// New makes a book over the tables of the store. Judging needs Run.
func New(o Options) *Book {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Book{o: o, rates: newRates(), fresh: make(chan fresh, maxFresh)}
}

// Make makes an address for somebody. A stranger, who has an address of his own, may make
// only so many; the zero client is one of ours. The error is ErrTooMany or temporary.
func (b *Book) Make(ctx context.Context, client netip.Addr) (Address, error) {
	now := b.o.Now()
	if client.IsValid() && !b.rates.take(client, now) {
		return Address{}, ErrTooMany
	}
	a := newAddress(b.o.Domain(), now)
	local, domain, _ := strings.Cut(a.Address, "@")
	err := b.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO testaddress_address (id, local, domain, made, closes, ends, messages) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
			a.ID, local, domain, store.Micros(a.Made), store.Micros(a.Closes), store.Micros(a.Ends))
		return err
	})
	if err != nil {
		return Address{}, fmt.Errorf("make a test address: %w", err)
	}
	return a, nil
}

// Find reports whether mail to an address is to be judged: nil, ErrNone, ErrOver,
// ErrFull or, for now, ErrBusy, or a failure.
func (b *Book) Find(tx *store.Tx, to mail.Address) error {
	if !IsLike(to) {
		return ErrNone
	}
	var closes int64
	var messages int
	err := tx.Row(`SELECT closes, messages FROM testaddress_address WHERE local = $1 AND domain = $2`, strings.ToLower(to.Local), to.Domain.String()).
		Scan(&closes, &messages)
	switch {
	case errors.Is(err, store.ErrNoRow):
		return ErrNone
	case err != nil:
		return fmt.Errorf("look up the test address: %w", err)
	case !b.o.Now().Before(store.FromMicros(closes)):
		return ErrOver
	case messages >= MaxMessages:
		return ErrFull
	}
	return b.hasRoom(tx)
}

// maxWaiting is how many messages may wait for their verdict: what strangers send must not
// fill the disk.
const maxWaiting = 64

func (b *Book) hasRoom(tx *store.Tx) error {
	var waiting int
	if err := tx.Row(`SELECT COUNT(*) FROM testaddress_message WHERE body IS NOT NULL`).Scan(&waiting); err != nil {
		return fmt.Errorf("count the test messages: %w", err)
	}
	if waiting >= maxWaiting {
		return ErrBusy
	}
	return nil
}

// Put keeps a message and has it judged once the transaction is durable.
func (b *Book) Put(tx *store.Tx, to mail.Address, a *Arrival, header string, body store.BodyID) error {
	var id string
	var number int
	err := tx.Row(`UPDATE testaddress_address SET messages = messages + 1 WHERE local = $1 AND domain = $2 AND messages < $3 RETURNING id, messages`,
		strings.ToLower(to.Local), to.Domain.String(), MaxMessages).Scan(&id, &number)
	if errors.Is(err, store.ErrNoRow) {
		return ErrFull
	}
	if err != nil {
		return err
	}
	arrival, err := json.Marshal(a)
	if err != nil {
		return err
	}
	row, err := tx.Insert(`INSERT INTO testaddress_message (address, number, arrival, header, body, claimed) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, number, string(arrival), header, int64(body), store.Micros(b.o.Now()))
	if err != nil {
		return err
	}
	tx.Wake(Topic)
	tx.AfterCommit(func() { b.hand(fresh{row, a.known}) })
	return nil
}

// Look is an address with all that came to it. The error is ErrNone or temporary.
func (b *Book) Look(ctx context.Context, id string) (a Address, err error) {
	err = b.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		a, err = b.look(tx, id)
		return err
	})
	return a, err
}

func (b *Book) look(tx *store.Tx, id string) (Address, error) {
	a := Address{ID: id, Messages: []Message{}}
	var local, domain string
	var made, closes, ends int64
	var taken int
	err := tx.Row(`SELECT local, domain, made, closes, ends, messages FROM testaddress_address WHERE id = $1`, id).
		Scan(&local, &domain, &made, &closes, &ends, &taken)
	if errors.Is(err, store.ErrNoRow) {
		return a, ErrNone
	}
	if err != nil {
		return a, err
	}
	now := b.o.Now()
	a.Address = local + "@" + domain
	a.Made, a.Closes, a.Ends = store.FromMicros(made).UTC(), store.FromMicros(closes).UTC(), store.FromMicros(ends).UTC()
	if !now.Before(a.Ends) {
		return a, ErrNone
	}
	a.Open = now.Before(a.Closes) && taken < MaxMessages
	rows, err := tx.Rows(`SELECT number, arrival, header, again, verdict FROM testaddress_message WHERE address = $1 ORDER BY number`, id)
	if err != nil {
		return a, err
	}
	defer rows.Close()
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return a, err
		}
		a.Messages = append(a.Messages, m)
	}
	return a, rows.Err()
}

func scanMessage(rows *store.Rows) (m Message, err error) {
	var arrival, verdict string
	var again int
	if err := rows.Scan(&m.Number, &arrival, &m.Header, &again, &verdict); err != nil {
		return m, err
	}
	m.Again = again != 0
	err = json.Unmarshal([]byte(arrival), &m.Arrival)
	if verdict != "" {
		err = cmp.Or(err, json.Unmarshal([]byte(verdict), &m.Verdict))
	}
	return m, err
}

// Await is Look as soon as more than so many messages came, or were judged, as the caller
// has seen; at the end of the context it is what is there then.
func (b *Book) Await(ctx context.Context, id string, taken, judged int) (Address, error) {
	watch := b.o.Store.Watch(Topic)
	defer watch.Close()
	for {
		a, err := b.Look(context.WithoutCancel(ctx), id)
		if err != nil || len(a.Messages) > taken || a.Judged() > judged {
			return a, err
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			return a, nil
		}
	}
}
