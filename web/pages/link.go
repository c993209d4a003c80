package pages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// linkTerm is how long a link is good.
const linkTerm = 10 * time.Minute

// Link makes a link to a site with these options: whoever opens it first may enrol a
// factor as the administrator. Links that were made before end.
func Link(ctx context.Context, o Options) (web.LoginLink, error) {
	secret, hash := newSecret()
	link := web.LoginLink{URL: "https://" + o.site() + "/login/link/" + secret}
	err := o.Store.Write(ctx, func(tx *store.Tx) error {
		who, err := o.Accounts.Administrator(tx)
		if err != nil {
			return err
		}
		link.Who, link.Expires = who.Address.String(), tx.Now().Add(linkTerm).UTC().Truncate(time.Second)
		if _, err := tx.Exec(`DELETE FROM web_link`); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO web_link (hash, expires) VALUES ($1, $2)`, hash[:], tx.Now().Add(linkTerm))
		return err
	})
	switch {
	case errors.Is(err, account.ErrNoAdmin):
		return link, &web.Error{Kind: web.NotFound, Text: "the administrator has no account yet", Hint: fmt.Sprintf("allgreen account add %s", o.Admin)}
	case errors.Is(err, account.ErrDisabled):
		return link, &web.Error{Kind: web.Conflict, Text: "the account of the administrator is disabled", Hint: fmt.Sprintf("allgreen account enable %s", o.Admin)}
	}
	return link, err
}

// site is the name and port under which the pages stand.
func (o Options) site() string {
	name := o.Name
	if name.IsZero() {
		name = o.Hostname
	}
	if o.Port != 0 && o.Port != 443 {
		return fmt.Sprintf("%s:%d", name, o.Port)
	}
	return name.String()
}

// useLink uses a link up.
func (s *Site) useLink(ctx context.Context, secret string) (ok bool, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = s.o.Store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM web_link WHERE hash = $1 AND expires > $2`, hash[:], tx.Now())
		ok = n == 1
		return err
	})
	return ok, err
}

// linkPage asks before it uses a link: programs that look at links in advance must not
// use them up.
func (s *Site) linkPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.render(w, r, "link", "Log in", r.PathValue("secret"))
}

// linkUsed logs in who came first, to enrol a factor.
func (s *Site) linkUsed(w http.ResponseWriter, r *http.Request) {
	ok, err := s.useLink(r.Context(), r.PathValue("secret"))
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case !ok:
		s.problem(w, r, http.StatusForbidden, "This link was used, or is over.", "Make another with: allgreen web login")
		return
	}
	if err := s.admit(w, r, false); err != nil {
		s.fail(w, r, err)
		return
	}
	s.log.Info("a login link was used", "from", remote(r).String())
	http.Redirect(w, r, "/security", http.StatusSeeOther)
}
