package pages

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the tables of logins: sessions, second factors, links.
var Schema = store.Schema{
	Name:     "web/pages",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"web_factor"},
}

// How long a session lasts.
const (
	sessionIdle  = 12 * time.Hour     // saying nothing
	sessionTerm  = 7 * 24 * time.Hour // whatever is said
	sessionFresh = 15 * time.Minute   // in which factors may be changed
	seenEvery    = time.Minute        // how exactly its last use is known
)

// session is somebody who logged in. The zero value is nobody's.
type session struct {
	hash    [sha256.Size]byte // of what the cookie holds
	account account.ID
	whole   bool // two factors were shown; else it may only enrol one
	created time.Time
	seen    time.Time
	network string
	agent   string
}

// isFresh reports that the person logged in just now, and may change how one logs in.
func (s session) isFresh(now time.Time) bool { return now.Sub(s.created) < sessionFresh }

// cookieName is the name of the cookie. Over TLS the browser guarantees that no other
// host and no plain connection set it (RFC 6265bis section 4.1.3.2).
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-allgreen"
	}
	return "allgreen"
}

// setCookie hands out a session; an empty secret takes it back.
func setCookie(w http.ResponseWriter, r *http.Request, secret string) {
	c := &http.Cookie{Name: cookieName(r), Value: secret, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: int(sessionTerm / time.Second)}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// newSecret is what only one browser knows, and its hash, which the database keeps.
func newSecret() (secret string, hash [sha256.Size]byte) {
	random := make([]byte, 32)
	rand.Read(random)
	secret = base64.RawURLEncoding.EncodeToString(random)
	return secret, sha256.Sum256([]byte(secret))
}

// recognise finds the visitor behind a request: nobody when the session is over, or its
// administrator changed since.
func (s *Site) recognise(r *http.Request) (visitor, error) {
	if s.o.Open {
		return visitor{in: true}, nil
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return visitor{}, nil
	}
	found, ok, err := s.session(r.Context(), sha256.Sum256([]byte(cookie.Value)))
	if err != nil || !ok {
		return visitor{}, err
	}
	if now := s.o.World.Now(); now.Sub(found.seen) > seenEvery {
		if err := s.touch(r.Context(), found.hash, now); err != nil {
			s.log.Warn("the use of a session was not noted", "error", err)
		}
	}
	return visitor{session: found, in: found.whole}, nil
}

// Recognises reports whether a request comes from an administrator who is logged in, or
// from the lab: for what stands beside the pages under the same name.
func (s *Site) Recognises(r *http.Request) (bool, error) {
	v, err := s.recognise(r)
	return v.in, err
}

// session reads a session that is still good.
func (s *Site) session(ctx context.Context, hash [sha256.Size]byte) (found session, ok bool, err error) {
	err = s.o.Store.Read(ctx, func(tx *store.Tx) error {
		found, ok = session{hash: hash}, false
		var mark []byte
		err := tx.Row(`SELECT account, mark, whole, created, seen, network, agent FROM web_session WHERE hash = $1`, hash[:]).
			Scan((*int64)(&found.account), &mark, &found.whole, &found.created, &found.seen, &found.network, &found.agent)
		if errors.Is(err, store.ErrNoRow) {
			return nil
		}
		if err != nil {
			return err
		}
		who, err := s.o.Accounts.Administrator(tx)
		if errors.Is(err, account.ErrNoAdmin) || errors.Is(err, account.ErrDisabled) {
			return nil
		}
		now := tx.Now()
		ok = hmac.Equal(mark, who.Mark[:]) && now.Sub(found.created) < sessionTerm && now.Sub(found.seen) < sessionIdle
		return err
	})
	return found, ok, err
}

func (s *Site) touch(ctx context.Context, hash [sha256.Size]byte, now time.Time) error {
	return s.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE web_session SET seen = $2 WHERE hash = $1`, hash[:], now)
		return err
	})
}

// admit begins a session for the administrator and hands it to the browser. One that the
// browser had before is over: nobody can prepare a session for somebody else. Old ones are
// swept out on the way.
func (s *Site) admit(w http.ResponseWriter, r *http.Request, whole bool) error {
	secret, hash := newSecret()
	was := visitorOf(r).session
	err := s.o.Store.Write(r.Context(), func(tx *store.Tx) error {
		who, err := s.o.Accounts.Administrator(tx)
		if err != nil {
			return err
		}
		now := tx.Now()
		if _, err := tx.Exec(`DELETE FROM web_session WHERE hash = $1 OR created < $2 OR seen < $3`, was.hash[:], now.Add(-sessionTerm), now.Add(-sessionIdle)); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO web_session (hash, account, mark, whole, created, seen, network, agent) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)`,
			hash[:], int64(who.ID), who.Mark[:], whole, now, remote(r).String(), cut(r.UserAgent(), 200))
		return err
	})
	if err == nil {
		setCookie(w, r, secret)
	}
	return err
}

func cut(text string, most int) string { return text[:min(len(text), most)] }

// sessions are those of the administrator, the newest first.
func (s *Site) sessions(ctx context.Context) (all []session, err error) {
	err = s.o.Store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		now := tx.Now()
		rows, err := tx.Rows(`SELECT hash, whole, created, seen, network, agent FROM web_session WHERE created > $1 AND seen > $2 ORDER BY created DESC`,
			now.Add(-sessionTerm), now.Add(-sessionIdle))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one session
			var hash []byte
			if err := rows.Scan(&hash, &one.whole, &one.created, &one.seen, &one.network, &one.agent); err != nil {
				return err
			}
			copy(one.hash[:], hash)
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

// endSession ends one session.
func (s *Site) endSession(ctx context.Context, hash []byte) error {
	return s.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM web_session WHERE hash = $1`, hash)
		return err
	})
}

// logout ends the session of the browser.
func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	hash := visitorOf(r).session.hash
	if err := s.endSession(r.Context(), hash[:]); err != nil {
		s.fail(w, r, err)
		return
	}
	setCookie(w, r, "")
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
