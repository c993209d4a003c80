package pages

import (
	"net/http"
	"strings"

	"github.com/allgreen-mail/allgreen/web"
)

// devicesPage is what sends without being a person, and what administers.
type devicesPage struct {
	Devices  []web.Device
	Tokens   []web.Token
	Programs []web.APIToken
	Name     string // of what was just made
	Secret   string // of it, shown once
}

// devices lists them.
func (s *Site) devices(w http.ResponseWriter, r *http.Request) { s.showDevices(w, r, "", "") }

func (s *Site) showDevices(w http.ResponseWriter, r *http.Request, name, secret string) {
	page := devicesPage{Name: name, Secret: secret}
	var err error
	if page.Devices, err = web.DeviceList.Do(r.Context(), s.o.Client, web.None{}); err == nil {
		page.Tokens, err = web.TokenList.Do(r.Context(), s.o.Client, web.None{})
	}
	if err == nil {
		page.Programs, err = web.APITokenList.Do(r.Context(), s.o.Client, web.None{})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "devices", "Devices and tokens", page)
}

// addSender makes a device or a token; of a token the answer itself shows the secret.
func (s *Site) addSender(w http.ResponseWriter, r *http.Request) {
	field := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	name, local := field("name"), field("local") != ""
	var secret web.Secret
	var err error
	switch r.PathValue("kind") {
	case "device":
		_, err = web.DeviceAdd.Do(r.Context(), s.o.Client, web.Device{Name: name, Networks: words(field("networks")), From: words(field("from")), LocalOnly: local})
	case "token":
		secret, err = web.TokenAdd.Do(r.Context(), s.o.Client, web.Token{Name: name, Owner: field("owner"), From: words(field("from")), LocalOnly: local})
	case "program":
		secret, err = web.APITokenAdd.Do(r.Context(), s.o.Client, web.APIToken{Name: name, ReadOnly: field("change") == ""})
	default:
		err = &web.Error{Kind: web.NotFound, Text: "there is no such thing to make"}
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case secret.Secret != "":
		s.showDevices(w, r, name, secret.Secret)
	default:
		s.say(w, r, "/devices", "%s may send now.", name)
	}
}

// removeSender ends the use of one.
func (s *Site) removeSender(w http.ResponseWriter, r *http.Request) {
	calls := map[string]web.Call[web.SenderName, web.None]{"device": web.DeviceRemove, "token": web.TokenRemove, "program": web.APITokenRemove}
	do, ok := calls[r.PathValue("kind")]
	if !ok {
		s.problem(w, r, http.StatusNotFound, "There is no such thing to remove.", "")
		return
	}
	name := r.FormValue("name")
	if _, err := do.Do(r.Context(), s.o.Client, web.SenderName{Name: name}); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/devices", "%s opens nothing any more.", name)
}
