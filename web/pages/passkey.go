package pages

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
)

// holder is the administrator as authenticators know one.
type holder struct {
	handle []byte
	name   string
	keys   []webauthn.Credential
}

// WebAuthnID is a handle that says nothing about the account (WebAuthn section 14.6.1).
func (h holder) WebAuthnID() []byte { return h.handle }

// WebAuthnName is shown when one of several passkeys is chosen.
func (h holder) WebAuthnName() string { return h.name }

// WebAuthnDisplayName is the same.
func (h holder) WebAuthnDisplayName() string { return h.name }

// WebAuthnCredentials are the passkeys that the administrator has.
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// party is this site to an authenticator. The origin is that of the request, whose name
// was compared with ours.
func (s *Site) party(r *http.Request) (*webauthn.WebAuthn, error) {
	if !s.Answers(r) {
		return nil, errors.New("passkeys belong to " + s.o.Name.String())
	}
	scheme := "https://"
	if r.TLS == nil {
		scheme = "http://" // tests; browsers have passkeys on loopback only then
	}
	return webauthn.New(&webauthn.Config{
		RPID: s.o.Name.String(), RPDisplayName: "Allgreen " + s.o.Name.String(), RPOrigins: []string{scheme + r.Host},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired, // that makes it two factors
		},
	})
}

// holder is the administrator with all passkeys.
func (s *Site) holder(r *http.Request) (h holder, who account.Administrator, err error) {
	err = s.o.Store.Read(r.Context(), func(tx *store.Tx) error {
		if who, err = s.o.Accounts.Administrator(tx); err != nil {
			return err
		}
		mac := hmac.New(sha256.New, s.secret("web passkeys"))
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(who.ID)))
		h = holder{handle: mac.Sum(nil), name: who.Address.String()}
		all, err := factorsOf(tx, who.ID, passkeyKind)
		if err != nil {
			return err
		}
		for _, f := range all {
			var key webauthn.Credential
			if err := json.Unmarshal(f.value, &key); err != nil {
				return fmt.Errorf("read a passkey: %w", err)
			}
			h.keys = append(h.keys, key)
		}
		return nil
	})
	return h, who, err
}

// ceremonies are those under way: each can be ended once, within minutes. The zero value
// has none.
type ceremonies struct {
	mu  sync.Mutex
	all map[string]ceremony
}

type ceremony struct {
	webauthn.SessionData
	by    [sha256.Size]byte // the session; zero for a login
	until time.Time
}

const (
	ceremonyTerm  = 5 * time.Minute
	maxCeremonies = 1000
)

// begin keeps what the end needs, and names it.
func (c *ceremonies) begin(data *webauthn.SessionData, by session, now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, one := range c.all {
		if now.After(one.until) {
			delete(c.all, id)
		}
	}
	if c.all == nil || len(c.all) >= maxCeremonies {
		c.all = map[string]ceremony{}
	}
	id := ceremonyID()
	c.all[id] = ceremony{*data, by.hash, now.Add(ceremonyTerm)}
	return id
}

// end gives it back, to the session that began it, once.
func (c *ceremonies) end(id string, by session, now time.Time) (webauthn.SessionData, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.all[id]
	delete(c.all, id)
	return one.SessionData, ok && one.by == by.hash && now.Before(one.until)
}

// ceremonyHeader names the ceremony in the request that ends it.
const ceremonyHeader = "X-Allgreen-Ceremony"

// beginPasskey answers what the browser asks an authenticator.
func (s *Site) beginPasskey(w http.ResponseWriter, r *http.Request, ask func(*webauthn.WebAuthn) (any, *webauthn.SessionData, error)) {
	party, err := s.party(r)
	var options any
	var data *webauthn.SessionData
	if err == nil {
		options, data, err = ask(party)
	}
	if err != nil {
		s.log.Error("a passkey could not be asked for", "error", err)
		http.Error(w, "passkeys cannot be used here", http.StatusBadRequest)
		return
	}
	w.Header().Set(ceremonyHeader, s.ceremonies.begin(data, visitorOf(r).session, s.o.World.Now()))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(options) // the client may be gone
}

// loginPasskeyBegin asks for any passkey of this site.
func (s *Site) loginPasskeyBegin(w http.ResponseWriter, r *http.Request) {
	s.beginPasskey(w, r, func(party *webauthn.WebAuthn) (any, *webauthn.SessionData, error) {
		options, data, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return nil, nil, err
		}
		return options.Response, data, nil
	})
}

// loginPasskey lets in who showed one.
func (s *Site) loginPasskey(w http.ResponseWriter, r *http.Request) {
	err := s.passkeyShown(r)
	if err == nil {
		err = s.admit(w, r, true)
	}
	if err != nil {
		s.log.Warn("a passkey was refused", "from", remote(r).String(), "error", err)
		http.Error(w, "this passkey does not open the pages", http.StatusForbidden)
		return
	}
	s.log.Info("the administrator logged in", "by", "passkey", "from", remote(r).String())
	w.WriteHeader(http.StatusNoContent)
}

var errCeremony = errors.New("no such ceremony is under way")

func (s *Site) passkeyShown(r *http.Request) error {
	data, ok := s.ceremonies.end(r.Header.Get(ceremonyHeader), visitorOf(r).session, s.o.World.Now())
	if !ok {
		return errCeremony
	}
	party, err := s.party(r)
	if err != nil {
		return err
	}
	h, who, err := s.holder(r)
	if err != nil {
		return err
	}
	shown, err := protocol.ParseCredentialRequestResponse(r)
	if err != nil {
		return err
	}
	_, key, err := party.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if !hmac.Equal(handle, h.handle) {
			return nil, errors.New("the passkey is somebody else's")
		}
		return h, nil
	}, data, shown)
	switch {
	case err != nil:
		return err
	case key.Authenticator.CloneWarning: // WebAuthn section 6.1.1
		return errors.New("the passkey was used elsewhere since: it may have been copied")
	}
	return s.notePasskey(r, who.ID, key)
}

// notePasskey keeps the counter of a passkey that was shown. One that was removed
// meanwhile lets nobody in.
func (s *Site) notePasskey(r *http.Request, of account.ID, key *webauthn.Credential) error {
	text, err := json.Marshal(key)
	if err != nil {
		return err
	}
	return s.o.Store.Write(r.Context(), func(tx *store.Tx) error {
		all, err := factorsOf(tx, of, passkeyKind)
		if err != nil {
			return err
		}
		for _, f := range all {
			var known webauthn.Credential
			if json.Unmarshal(f.value, &known) == nil && bytes.Equal(known.ID, key.ID) {
				_, err := tx.Exec(`UPDATE web_factor SET value = $2, used = $3 WHERE id = $1`, f.ID, text, tx.Now())
				return err
			}
		}
		return errors.New("the passkey was removed")
	})
}

// addPasskeyBegin asks an authenticator for a new passkey.
func (s *Site) addPasskeyBegin(w http.ResponseWriter, r *http.Request) {
	h, _, err := s.holder(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.beginPasskey(w, r, func(party *webauthn.WebAuthn) (any, *webauthn.SessionData, error) {
		var known []protocol.CredentialDescriptor
		for _, key := range h.keys {
			known = append(known, key.Descriptor())
		}
		options, data, err := party.BeginRegistration(h, webauthn.WithExclusions(known))
		if err != nil {
			return nil, nil, err
		}
		return options.Response, data, nil
	})
}

// addPasskey keeps the new passkey.
func (s *Site) addPasskey(w http.ResponseWriter, r *http.Request) {
	by := visitorOf(r).session
	key, err := s.passkeyMade(r, by)
	var text []byte
	if err == nil {
		text, err = json.Marshal(key)
	}
	if err == nil {
		err = s.addFactor(r.Context(), by, passkeyKind, label(r.Header.Get("X-Allgreen-Label"), "Passkey"), text, 0)
	}
	if err != nil {
		s.log.Warn("a passkey was not added", "error", err)
		http.Error(w, "this passkey cannot be used", http.StatusBadRequest)
		return
	}
	s.log.Info("a passkey was added", "from", remote(r).String())
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) passkeyMade(r *http.Request, by session) (*webauthn.Credential, error) {
	data, ok := s.ceremonies.end(r.Header.Get(ceremonyHeader), by, s.o.World.Now())
	if !ok {
		return nil, errCeremony
	}
	party, err := s.party(r)
	if err != nil {
		return nil, err
	}
	h, _, err := s.holder(r)
	if err != nil {
		return nil, err
	}
	made, err := protocol.ParseCredentialCreationResponse(r)
	if err != nil {
		return nil, err
	}
	return party.CreateCredential(h, data, made)
}
