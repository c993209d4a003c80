package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
)

// loginPage is the way in.
type loginPage struct{ User, To, Problem string }

// loginFor is the login that leads back to where somebody wanted to go.
func loginFor(r *http.Request) string {
	return "/login?to=" + url.QueryEscape(r.URL.RequestURI())
}

// ownPath is a path of this site to go to after a login, the all green page for anything
// else: nobody can be led away by a link to our login.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") ||
		strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/green"
	}
	return to
}

// loginForm shows the way in.
func (s *Site) loginForm(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.FormValue("to"))
	w.Header().Set("Cache-Control", "no-store")
	s.render(w, r, "login", "Log in", loginPage{To: to})
}

// login takes a password and a code together, so that nobody learns which was wrong.
func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	p := loginPage{User: r.PostFormValue("user"), To: ownPath(r.PostFormValue("to"))}
	ok, err := s.admits(r, p.User, r.PostFormValue("password"), r.PostFormValue("code"))
	if err == nil && ok {
		err = s.admit(w, r, true)
	}
	status := http.StatusForbidden
	switch {
	case err == nil && ok:
		s.log.Info("the administrator logged in", "by", "password and code", "from", remote(r).String())
		http.Redirect(w, r, p.To, http.StatusSeeOther)
		return
	case errors.Is(err, account.ErrThrottled), errors.Is(err, errGuesses):
		status, p.Problem = http.StatusTooManyRequests, "There were too many attempts. Wait some minutes, or use a passkey."
	case err != nil && r.Context().Err() == nil:
		s.fail(w, r, err)
		return
	default:
		s.log.Warn("a login was refused", "from", remote(r).String())
		p.Problem = "The address, the password or the code is wrong. A code counts once: wait for the next one."
	}
	w.Header().Set("Cache-Control", "no-store")
	s.renderStatus(w, r, status, "login", "Log in", p)
}

// admits reports whether these are the administrator's password and a code that was not
// used. The password is looked at first, through the throttle of all logins; without it
// no code is.
func (s *Site) admits(r *http.Request, user, password, code string) (bool, error) {
	who, err := s.o.Accounts.Login(r.Context(), account.Attempt{User: user, Password: password, From: remote(r), Person: true})
	switch {
	case errors.Is(err, account.ErrCredentials), errors.Is(err, account.ErrDisabled):
		return false, nil
	case err != nil:
		return false, err
	}
	is, err := s.isAdministrator(r, who.Account)
	if err != nil || !is {
		return false, err
	}
	return s.guesses.try(s.o.World.Now, func() (bool, error) { return s.takeCode(r.Context(), who.Account, code) })
}

func (s *Site) isAdministrator(r *http.Request, id account.ID) (is bool, err error) {
	err = s.o.Store.Read(r.Context(), func(tx *store.Tx) error {
		who, err := s.o.Accounts.Administrator(tx)
		is = err == nil && who.ID == id && id != 0
		if errors.Is(err, account.ErrNoAdmin) || errors.Is(err, account.ErrDisabled) {
			return nil
		}
		return err
	})
	return is, err
}

// errGuesses is the error of guessing at codes with a known password.
var errGuesses = errors.New("too many wrong codes")

// guesses count wrong codes of who knows the password: after some, each makes the next
// wait twice as long. A passkey needs no code, and a link from the server neither. The
// zero value has seen none.
type guesses struct {
	mu    sync.Mutex
	wrong int
	until time.Time
}

const (
	freeGuesses = 5
	guessPause  = 30 * time.Second
	longestWait = time.Hour
)

// try has a code looked at, one at a time: of many that come at once, none is looked at
// before the one before it was counted.
func (g *guesses) try(now func() time.Time, take func() (bool, error)) (ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now().Before(g.until) {
		return false, errGuesses
	}
	ok, err = take()
	switch {
	case err != nil:
	case ok:
		g.wrong, g.until = 0, time.Time{}
	default:
		if g.wrong++; g.wrong >= freeGuesses {
			g.until = now().Add(min(guessPause<<min(g.wrong-freeGuesses, 10), longestWait))
		}
	}
	return ok, err
}
