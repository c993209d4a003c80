package pages

import (
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"rsc.io/qr"

	"github.com/allgreen-mail/allgreen/store"
)

// securityPage is how the administrator logs in, and where that is so now.
type securityPage struct {
	Enrolling bool // nothing else may be done before a factor is there
	Factors   []factor
	Sessions  []sessionView
	Account   bool // a password exists, so a code makes sense
}

type sessionView struct {
	ID, Network, Agent string
	Created, Seen      time.Time
	Here               bool
}

// fresh lets only those change how one logs in who did so just now: a browser that was
// left open is not enough.
func (s *Site) fresh(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if visitorOf(r).session.isFresh(s.o.World.Now()) {
			next(w, r)
			return
		}
		if r.Method == http.MethodPost && r.Header.Get("X-Allgreen-Token") != "" {
			http.Error(w, "log in again first", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "/login?to=/security", http.StatusSeeOther)
	}
}

// security shows the factors and sessions.
func (s *Site) security(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	p := securityPage{Enrolling: !v.session.whole, Account: v.session.account != 0}
	var err error
	if p.Factors, err = s.factors(r.Context(), v.session.account, ""); err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.sessions(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, one := range all {
		p.Sessions = append(p.Sessions, sessionView{hex.EncodeToString(one.hash[:]), one.network, one.agent, one.created, one.seen, one.hash == v.session.hash})
	}
	s.render(w, r, "security", "Security", p)
}

// codePage shows a new secret for an app, sealed for the way back.
type codePage struct {
	Picture template.URL // of the QR code
	Secret  string
	Sealed  string
	Problem string
}

// newCode makes a secret and shows it.
func (s *Site) newCode(w http.ResponseWriter, r *http.Request) {
	s.showCode(w, r, http.StatusOK, newCodeSecret(), "")
}

func (s *Site) showCode(w http.ResponseWriter, r *http.Request, status int, secret []byte, problem string) {
	who := s.o.Admin.String()
	picture, err := qr.Encode(codeURL(secret, s.o.Name.String(), who), qr.M)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.renderStatus(w, r, status, "code", "Codes of an app", codePage{
		Picture: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture.PNG())),
		Secret:  codeText(secret), Sealed: base64.StdEncoding.EncodeToString(s.seal(secret)), Problem: problem,
	})
}

// addCode keeps the secret when the app shows the right code.
func (s *Site) addCode(w http.ResponseWriter, r *http.Request) {
	by := visitorOf(r).session
	sealed, err := base64.StdEncoding.DecodeString(r.PostFormValue("sealed"))
	var secret []byte
	if err == nil {
		secret, err = s.unseal(sealed)
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "The form is too old.", "Begin again.")
		return
	}
	step := stepOf(secret, r.PostFormValue("code"), s.o.World.Now())
	if step == 0 {
		s.showCode(w, r, http.StatusForbidden, secret, "That is not the code of now. Is the clock of the phone right?")
		return
	}
	if err := s.addFactor(r.Context(), by, codeKind, label(r.PostFormValue("label"), "App"), sealed, step); err != nil {
		s.fail(w, r, err)
		return
	}
	s.log.Info("an app for codes was added", "from", remote(r).String())
	http.Redirect(w, r, "/security", http.StatusSeeOther)
}

// dropFactor removes a factor.
func (s *Site) dropFactor(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // zero is nobody's
	removed, err := s.removeFactor(r.Context(), visitorOf(r).session.account, id)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case !removed:
		s.problem(w, r, http.StatusConflict, "The last way in stays.", "Add another before you remove it.")
	default:
		s.log.Info("a factor was removed", "from", remote(r).String())
		http.Redirect(w, r, "/security", http.StatusSeeOther)
	}
}

// dropSession ends one session, or all but this one.
func (s *Site) dropSession(w http.ResponseWriter, r *http.Request) {
	here := visitorOf(r).session.hash
	var err error
	if id := r.PathValue("id"); id == "others" {
		err = s.o.Store.Write(r.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`DELETE FROM web_session WHERE hash <> $1`, here[:])
			return err
		})
	} else if hash, bad := hex.DecodeString(id); bad == nil {
		err = s.endSession(r.Context(), hash)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/security", http.StatusSeeOther)
}
