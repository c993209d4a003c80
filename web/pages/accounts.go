package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/web"
)

// accountsPage lists who has mail here.
type accountsPage struct {
	Accounts []web.Account
	Aliases  []web.Alias
}

// accounts lists accounts and aliases.
func (s *Site) accounts(w http.ResponseWriter, r *http.Request) {
	var page accountsPage
	var err error
	if page.Accounts, err = web.AccountList.Do(r.Context(), s.o.Client, web.None{}); err == nil {
		page.Aliases, err = web.AliasList.Do(r.Context(), s.o.Client, web.None{})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "accounts", "Accounts", page)
}

// gigabytes reads a number of them as octets; nothing is no limit.
func gigabytes(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, &web.Error{Kind: web.Invalid, Text: "that is no number of gigabytes", Hint: "write 5 or 0.5, or nothing for no limit"}
	}
	return int64(n * (1 << 30)), nil
}

// addAccount makes one.
func (s *Site) addAccount(w http.ResponseWriter, r *http.Request) {
	quota, err := gigabytes(r.FormValue("quota"))
	var made web.Account
	if err == nil {
		made, err = web.AccountAdd.Do(r.Context(), s.o.Client, web.NewAccount{
			Address: strings.TrimSpace(r.FormValue("address")), Password: r.FormValue("password"), Quota: quota,
		})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, accountAddress(made.Address), "%s has a mailbox now.", made.Address)
}

func accountAddress(address string) string { return "/accounts/" + url.PathEscape(address) }

// accountPage is one account, and the secret that was just made for it.
type accountPage struct {
	web.AccountDetail
	Label, Secret string
}

// Gigabytes is the room of the account, as the form wants it.
func (a accountPage) Gigabytes() string {
	if a.Quota == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(a.Quota)/(1<<30), 'f', -1, 64)
}

// account shows one.
func (s *Site) account(w http.ResponseWriter, r *http.Request) { s.showAccount(w, r, "", "") }

func (s *Site) showAccount(w http.ResponseWriter, r *http.Request, label, secret string) {
	found, err := web.AccountShow.Do(r.Context(), s.o.Client, web.AccountName{Address: r.PathValue("address")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "account", found.Address, accountPage{found, label, secret})
}

// accountActs are what a person does to an account: each says what it did.
var accountActs = map[string]func(s *Site, r *http.Request, address string) (string, error){
	"password": func(s *Site, r *http.Request, address string) (string, error) {
		_, err := web.AccountPassword.Do(r.Context(), s.o.Client, web.NewPassword{Address: address, Password: r.FormValue("password")})
		return "The password is changed.", err
	},
	"quota": func(s *Site, r *http.Request, address string) (string, error) {
		octets, err := gigabytes(r.FormValue("quota"))
		if err == nil {
			_, err = web.AccountQuota.Do(r.Context(), s.o.Client, web.NewQuota{Address: address, Octets: octets})
		}
		return "The room is changed.", err
	},
	"disable": func(s *Site, r *http.Request, address string) (string, error) {
		_, err := web.AccountDisable.Do(r.Context(), s.o.Client, web.Disabling{Address: address, Disabled: true})
		return "The account is disabled: no logins, and its mail is put off.", err
	},
	"enable": func(s *Site, r *http.Request, address string) (string, error) {
		_, err := web.AccountDisable.Do(r.Context(), s.o.Client, web.Disabling{Address: address})
		return "The account goes on.", err
	},
	"hold": func(s *Site, r *http.Request, address string) (string, error) {
		_, err := web.PrincipalHold.Do(r.Context(), s.o.Client, web.Holding{Name: address})
		return "What it sends is held.", err
	},
	"free": func(s *Site, r *http.Request, address string) (string, error) {
		_, err := web.PrincipalFree.Do(r.Context(), s.o.Client, web.Freeing{Name: address})
		return "It may send again, and what was held goes out.", err
	},
	"forget": func(s *Site, r *http.Request, address string) (string, error) {
		label := r.FormValue("label")
		_, err := web.AppPasswordGone.Do(r.Context(), s.o.Client, web.AppPassword{Address: address, Label: label})
		return "The app password " + label + " opens nothing any more.", err
	},
}

// accountAct does something to one account.
func (s *Site) accountAct(w http.ResponseWriter, r *http.Request) {
	address := r.PathValue("address")
	switch act := r.PathValue("act"); act {
	case "app-password":
		s.addAppPassword(w, r, address)
	case "remove":
		s.removeAccount(w, r, address)
	default:
		do, ok := accountActs[act]
		if !ok {
			s.problem(w, r, http.StatusNotFound, "There is no such act.", "")
			return
		}
		said, err := do(s, r, address)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.say(w, r, accountAddress(address), "%s", said)
	}
}

// addAppPassword shows the secret in the answer itself: it is kept nowhere.
func (s *Site) addAppPassword(w http.ResponseWriter, r *http.Request, address string) {
	label := strings.TrimSpace(r.FormValue("label"))
	secret, err := web.AppPasswordAdd.Do(r.Context(), s.o.Client, web.AppPassword{Address: address, Label: label})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.showAccount(w, r, label, secret.Secret)
}

// removeAccount wants the address typed again: all its mail goes with it.
func (s *Site) removeAccount(w http.ResponseWriter, r *http.Request, address string) {
	if !strings.EqualFold(strings.TrimSpace(r.FormValue("again")), address) {
		s.problem(w, r, http.StatusBadRequest, "The address does not match, so nothing was removed.", "Write the whole address of the account to remove it.")
		return
	}
	if _, err := web.AccountRemove.Do(r.Context(), s.o.Client, web.AccountName{Address: address}); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/accounts", "%s is gone, with all its mail.", address)
}

// words are what stands between spaces, commas and line ends.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r <= ' ' })
}

// addAlias has an address lead to others.
func (s *Site) addAlias(w http.ResponseWriter, r *http.Request) {
	a := web.Alias{From: strings.TrimSpace(r.FormValue("from")), To: words(r.FormValue("to")), Replace: r.FormValue("replace") != ""}
	if _, err := web.AliasAdd.Do(r.Context(), s.o.Client, a); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/accounts#aliases", "Mail for %s goes to %s.", a.From, strings.Join(a.To, ", "))
}

// removeAlias ends it.
func (s *Site) removeAlias(w http.ResponseWriter, r *http.Request) {
	from := r.FormValue("from")
	if _, err := web.AliasRemove.Do(r.Context(), s.o.Client, web.Alias{From: from}); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/accounts#aliases", "%s leads nowhere any more.", from)
}
