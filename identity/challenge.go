package identity

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/allgreen-mail/allgreen/store"
)

// challengePath is where an authority asks over HTTP (RFC 8555 section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// challengeTime is how long an answer is kept; authorities ask within minutes.
const challengeTime = time.Hour

// ChallengeHandler answers the questions of the authority on port 80, and hands all
// else to next; a nil next answers 404.
func (i *Identity) ChallengeHandler(next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.URL.Path, challengePath)
		if !ok || token == "" || len(token) > 200 {
			next.ServeHTTP(w, r)
			return
		}
		c, err := i.challenge(r.Context(), acme.ChallengeTypeHTTP01, token)
		switch {
		case errors.Is(err, store.ErrNoRow):
			next.ServeHTTP(w, r)
		case err != nil:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
			io.WriteString(w, c.KeyAuthorization)
		}
	})
}

// alpnChallenge is the certificate that answers an authority in its handshake.
func (i *Identity) alpnChallenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := i.challenge(hello.Context(), acme.ChallengeTypeTLSALPN01, strings.ToLower(hello.ServerName))
	if err != nil {
		return nil, fmt.Errorf("no authority was asked about %q: %w", hello.ServerName, err)
	}
	return acmez.TLSALPN01ChallengeCert(c)
}

func (i *Identity) challenge(ctx context.Context, kind, subject string) (c acme.Challenge, err error) {
	var answer string
	err = i.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT answer FROM identity_challenge WHERE kind = $1 AND subject = $2 AND expires > $3`,
			kind, subject, store.Micros(i.world.Now())).Scan(&answer)
	})
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(answer), &c)
}

// solver puts answers where every node finds them.
type solver struct{ *Identity }

func subjectOf(c acme.Challenge) string {
	if c.Type == acme.ChallengeTypeTLSALPN01 {
		return strings.ToLower(c.Identifier.Value)
	}
	return c.Token
}

// Present keeps the answer, and drops those that were forgotten.
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	answer, err := json.Marshal(c)
	if err != nil {
		return err
	}
	now := s.world.Now()
	return s.store.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM identity_challenge WHERE expires < $1`, store.Micros(now)); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO identity_challenge (kind, subject, answer, expires) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, subject) DO UPDATE SET answer = excluded.answer, expires = excluded.expires`,
			c.Type, subjectOf(c), string(answer), store.Micros(now.Add(challengeTime)))
		return err
	})
}

// CleanUp drops the answer.
func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM identity_challenge WHERE kind = $1 AND subject = $2`, c.Type, subjectOf(c))
		return err
	})
}
