package submit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// errAnswered ends the transaction of a request that was done meanwhile.
var errAnswered = errors.New("a request with this key was done meanwhile")

// identify hashes the request as it is read, unless the caller knows its digest.
func (l *letter) identify() {
	if l.Digest != "" {
		return
	}
	l.request = sha256.New()
	fmt.Fprintln(l.request, l.From, l.FromName, l.FromTo, l.EnvelopeID, l.Return, l.RequireTLS)
	for _, r := range l.To {
		fmt.Fprintln(l.request, r.To, r.Notify, r.Original)
	}
	l.Body = io.TeeReader(l.Body, l.request)
}

// digest is what the request is known by, once its body was read.
func (l *letter) digest() string {
	if l.request != nil {
		return hex.EncodeToString(l.request.Sum(nil))
	}
	return l.Digest
}

// answered gives the message that an idempotency key stands for, "" when it is new.
func (s *Submitter) answered(ctx context.Context, l *letter) (mail.TraceID, error) {
	var id mail.TraceID
	var digest string
	err := s.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT trace, digest FROM submit_request WHERE principal = $1 AND key = $2 AND at >= $3`,
			l.Principal.Name, l.Key, store.Micros(s.world.Now().Add(-keepRequests))).Scan(&id, &digest)
	})
	switch {
	case errors.Is(err, store.ErrNoRow):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look up the idempotency key: %w", err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(l.Body, s.o.MaxSize)); err != nil {
		return "", err
	}
	if digest != l.digest() {
		return "", ErrKeyReused
	}
	return id, nil
}

// remember writes the key down beside its message. A key older than a day is free
// again.
func (l *letter) remember(tx *store.Tx) error {
	if l.Key == "" {
		return nil
	}
	n, err := tx.Exec(`INSERT INTO submit_request (principal, key, digest, trace, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (principal, key) DO UPDATE SET digest = excluded.digest, trace = excluded.trace, at = excluded.at
		WHERE submit_request.at < $6`,
		l.Principal.Name, l.Key, l.digest(), string(l.trace), store.Micros(l.now), store.Micros(l.now.Add(-keepRequests)))
	if err == nil && n == 0 {
		return errAnswered
	}
	return err
}
