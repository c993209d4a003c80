package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// The calls about programs that administer over the API.
var (
	APITokenAdd    = Call[APIToken, Secret]{"web.token.add"}
	APITokenList   = Call[None, []APIToken]{"web.token.list"}
	APITokenRemove = Call[SenderName, None]{"web.token.remove"}
)

// APIToken lets a program administer, or only look, without its secret. It sends no mail:
// that is what a Token is for.
type APIToken struct {
	Name     string    `json:"name"`
	ReadOnly bool      `json:"read_only,omitempty"`
	Created  time.Time `json:"created,omitzero"`
}

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the table of API tokens.
var Schema = store.Schema{
	Name:     "web",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"web_token"},
}

// apiTokenPrefix lets people and scanners see what a leaked secret is.
const apiTokenPrefix = "allgreen-web-"

// maxTokenName bounds a name, which stands in lists and logs.
const maxTokenName = 60

// apiTokens answers the calls.
type apiTokens struct {
	store *store.Store
	now   func() time.Time
}

func (a apiTokens) add(mux *http.ServeMux) {
	answer(mux, APITokenAdd, a.make)
	answer(mux, APITokenList, a.list)
	answer(mux, APITokenRemove, a.remove)
}

// make gives 256 random bits, of which the hash is kept: guessing needs no brake.
func (a apiTokens) make(ctx context.Context, in APIToken) (Secret, error) {
	if in.Name == "" || len(in.Name) > maxTokenName || strings.TrimFunc(in.Name, isNameRune) != "" {
		return Secret{}, &Error{Kind: Invalid, Text: fmt.Sprintf("%.60q is no name for a token", in.Name), Hint: "use letters, digits, - and _"}
	}
	secret := apiTokenPrefix + strings.ToLower(rand.Text()+rand.Text())
	hash := sha256.Sum256([]byte(secret))
	err := a.store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`INSERT INTO web_token (name, hash, read_only, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			in.Name, hash[:], in.ReadOnly, a.now())
		if err == nil && n == 0 {
			err = &Error{Kind: Conflict, Text: "there is a token called " + in.Name, Hint: "remove it first, or choose another name"}
		}
		return err
	})
	return Secret{secret}, err
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func (a apiTokens) list(ctx context.Context, _ None) (all []APIToken, err error) {
	err = a.store.Read(ctx, func(tx *store.Tx) error {
		all = []APIToken{}
		rows, err := tx.Rows(`SELECT name, read_only, created FROM web_token ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t APIToken
			if err := rows.Scan(&t.Name, &t.ReadOnly, &t.Created); err != nil {
				return err
			}
			t.Created = inUTC(t.Created)
			all = append(all, t)
		}
		return rows.Err()
	})
	return all, err
}

func (a apiTokens) remove(ctx context.Context, in SenderName) (None, error) {
	return None{}, a.store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM web_token WHERE name = $1`, in.Name)
		if err == nil && n == 0 {
			err = &Error{Kind: NotFound, Text: fmt.Sprintf("no token is called %.60q", in.Name), Hint: "allgreen web token list shows all"}
		}
		return err
	})
}

// TokenAccess is what the program that sent a request may do: Nobody without a token, an
// *Error with a wrong one.
func TokenAccess(st *store.Store, r *http.Request) (Access, error) {
	secret, ok := bearerOf(r)
	if !ok {
		return Nobody, nil
	}
	hash := sha256.Sum256([]byte(secret))
	var readOnly bool
	err := st.Read(r.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT read_only FROM web_token WHERE hash = $1`, hash[:]).Scan(&readOnly)
	})
	switch {
	case errors.Is(err, store.ErrNoRow):
		return Nobody, &Error{Kind: Stranger, Text: "this token opens nothing", Hint: "make one with: allgreen web token add NAME"}
	case err != nil:
		return Nobody, peopleError(err)
	case readOnly:
		return Looks, nil
	}
	return Changes, nil
}

// bearerOf is the token of a request (RFC 6750 section 2.1).
func bearerOf(r *http.Request) (secret string, ok bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(secret), strings.EqualFold(scheme, "Bearer")
}
