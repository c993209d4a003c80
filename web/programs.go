package web

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// MailServer is a server that mail programs use.
type MailServer struct {
	Protocol string // imap, pop3, smtp
	Host     mail.Domain
	Port     uint16
	Implicit bool // TLS from the first octet on; else by STARTTLS, and never without
}

// Words names the encryption for people.
func (m MailServer) Words() string {
	if m.Implicit {
		return "TLS"
	}
	return "STARTTLS"
}

// addPrograms answers mail programs that ask for the servers of an address:
// Thunderbird and those that do as it does, Outlook, and what Apple makes. None of the
// answers depends on whether there is such an address.
func (p Public) addPrograms(mux *http.ServeMux) {
	for _, path := range []string{"/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"} {
		mux.HandleFunc("GET "+path, p.autoconfig)
	}
	for _, path := range []string{"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"} {
		mux.HandleFunc("POST "+path, p.autodiscover)
	}
	mux.HandleFunc("GET /autodiscover/autodiscover.json/v1.0/{address}", p.autodiscoverJSON)
	mux.HandleFunc("GET /mail.mobileconfig", p.mobileconfig)
}

// programDomain is the domain of an address, or that of the name that was asked; false
// when it is none of ours.
func (p Public) programDomain(r *http.Request, address string) (mail.Domain, bool) {
	if a, err := mail.ParseAddress(address); err == nil {
		return a.Domain, slices.Contains(p.Domains, a.Domain)
	}
	return p.domainOf(r)
}

// clientConfig is what Thunderbird reads.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Version  string   `xml:"version,attr"`
	Provider struct {
		ID        string           `xml:"id,attr"`
		Domain    string           `xml:"domain"`
		Name      string           `xml:"displayName"`
		ShortName string           `xml:"displayShortName"`
		Incoming  []configuredHost `xml:"incomingServer"`
		Outgoing  []configuredHost `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

type configuredHost struct {
	Type     string `xml:"type,attr"`
	Host     string `xml:"hostname"`
	Port     uint16 `xml:"port"`
	Socket   string `xml:"socketType"`
	Auth     string `xml:"authentication"`
	Username string `xml:"username"`
}

// autoconfig is the answer to Thunderbird.
func (p Public) autoconfig(w http.ResponseWriter, r *http.Request) {
	d, ok := p.programDomain(r, r.FormValue("emailaddress"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	c := clientConfig{Version: "1.1"}
	c.Provider.ID, c.Provider.Domain, c.Provider.Name, c.Provider.ShortName = d.String(), d.String(), d.Unicode(), d.Unicode()
	for _, s := range p.Servers {
		host := configuredHost{Type: s.Protocol, Host: s.Host.String(), Port: s.Port, Socket: "STARTTLS", Auth: "password-cleartext", Username: "%EMAILADDRESS%"}
		if s.Implicit {
			host.Socket = "SSL"
		}
		if s.Protocol == "smtp" {
			c.Provider.Outgoing = append(c.Provider.Outgoing, host)
		} else {
			c.Provider.Incoming = append(c.Provider.Incoming, host)
		}
	}
	writeXML(w, c)
}

// outlookSchema names the answer that Outlook wants.
const outlookSchema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

// discoverRequest is what Outlook asks.
type discoverRequest struct {
	Request struct {
		Address string `xml:"EMailAddress"`
		Schema  string `xml:"AcceptableResponseSchema"`
	} `xml:"Request"`
}

// discoverAnswer is what it reads: settings, or an error.
type discoverAnswer struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response any
}

type discoverSettings struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
	User    struct {
		Name string `xml:"DisplayName"`
	}
	Account struct {
		Type     string `xml:"AccountType"`
		Action   string
		Protocol []discoveredServer
	}
}

type discoveredServer struct {
	Type         string
	Server       string
	Port         uint16
	LoginName    string
	SPA          string // no NTLM
	SSL          string
	Encryption   string // SSL or TLS, which is what it calls STARTTLS
	AuthRequired string
	UsePOPAuth   string `xml:",omitempty"` // of SMTP: the same login
}

type discoverError struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Response"`
	Error   struct {
		Time    string `xml:",attr"`
		ID      string `xml:"Id,attr"`
		Code    int    `xml:"ErrorCode"`
		Message string
	}
}

// maxDiscover is many times what Outlook asks with.
const maxDiscover = 64 << 10

// autodiscover is the answer to Outlook.
func (p Public) autodiscover(w http.ResponseWriter, r *http.Request) {
	var asked discoverRequest
	err := xml.NewDecoder(io.LimitReader(r.Body, maxDiscover)).Decode(&asked)
	address, addressErr := mail.ParseAddress(strings.TrimSpace(asked.Request.Address))
	switch {
	case err != nil || addressErr != nil:
		writeXML(w, p.refuseDiscover(600, "Invalid Request"))
	case asked.Request.Schema != "" && asked.Request.Schema != outlookSchema:
		writeXML(w, p.refuseDiscover(601, "Provider is not available")) // ActiveSync and others
	case !slices.Contains(p.Domains, address.Domain):
		writeXML(w, p.refuseDiscover(500, "The email address can't be found."))
	default:
		writeXML(w, discoverAnswer{Response: p.discovered(address)})
	}
}

func (p Public) refuseDiscover(code int, text string) discoverAnswer {
	var e discoverError
	e.Error.Time, e.Error.ID, e.Error.Code, e.Error.Message = p.Now().UTC().Format("15:04:05.0000000"), "1", code, text
	return discoverAnswer{Response: e}
}

func (p Public) discovered(address mail.Address) discoverSettings {
	var s discoverSettings
	s.User.Name, s.Account.Type, s.Account.Action = address.String(), "email", "settings"
	for _, server := range p.Servers {
		d := discoveredServer{Type: strings.ToUpper(server.Protocol), Server: server.Host.String(), Port: server.Port, LoginName: address.String(),
			SPA: "off", SSL: "on", Encryption: "TLS", AuthRequired: "on"}
		if server.Implicit {
			d.Encryption = "SSL"
		}
		if server.Protocol == "smtp" {
			d.UsePOPAuth = "on"
		}
		if !slices.ContainsFunc(s.Account.Protocol, func(x discoveredServer) bool { return x.Type == d.Type }) {
			s.Account.Protocol = append(s.Account.Protocol, d) // the best of each kind: it takes one
		}
	}
	return s
}

// autodiscoverJSON leads newer programs to the XML, and knows nothing else.
func (p Public) autodiscoverJSON(w http.ResponseWriter, r *http.Request) {
	d, ok := p.programDomain(r, r.PathValue("address"))
	switch {
	case !ok:
		http.NotFound(w, r)
	case !strings.EqualFold(r.FormValue("Protocol"), "AutodiscoverV1"):
		writeJSON(w, http.StatusNotFound, map[string]string{"ErrorCode": "InvalidProtocol", "ErrorMessage": "there is AutodiscoverV1 here"})
	default:
		at := url.URL{Scheme: "https", Host: "autodiscover." + d.String(), Path: "/autodiscover/autodiscover.xml"}
		writeJSON(w, http.StatusOK, map[string]string{"Protocol": "AutodiscoverV1", "Url": at.String()})
	}
}

func writeXML(w http.ResponseWriter, v any) {
	text, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(text)))
	_, _ = w.Write(append([]byte(xml.Header), text...)) // the client may be gone
}
