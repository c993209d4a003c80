package web

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// programPublic is a public site with the usual servers.
func programPublic() Public {
	host := mail.MustParseDomain("mx.ours.example")
	return Public{
		Hostname: host, Domains: []mail.Domain{mail.MustParseDomain("ours.example"), mail.MustParseDomain("sub.ours.example")},
		Now: func() time.Time { return time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC) },
		Servers: []MailServer{
			{"imap", host, 993, true}, {"imap", host, 143, false}, {"pop3", host, 995, true}, {"smtp", host, 465, true}, {"smtp", host, 587, false},
		},
	}
}

func get(t *testing.T, p Public, method, url, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest(method, url, strings.NewReader(body)))
	return w
}

// TestAutoconfig reads the answer as Thunderbird does: by element names.
func TestAutoconfig(t *testing.T) {
	p := programPublic()
	for url, want := range map[string]string{
		"https://autoconfig.ours.example/mail/config-v1.1.xml?emailaddress=anna%40ours.example":   "ours.example",
		"https://autoconfig.sub.ours.example/mail/config-v1.1.xml":                                "sub.ours.example",
		"https://ours.example/.well-known/autoconfig/mail/config-v1.1.xml":                        "ours.example",
		"https://mx.ours.example/mail/config-v1.1.xml?emailaddress=x@sub.ours.example":            "sub.ours.example",
		"https://autoconfig.ours.example/mail/config-v1.1.xml?emailaddress=anna%40theirs.example": "",
		"https://autoconfig.theirs.example/mail/config-v1.1.xml":                                  "",
	} {
		w := get(t, p, "GET", url, "")
		if want == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", url, w.Code)
			}
			continue
		}
		var got struct {
			XMLName  xml.Name `xml:"clientConfig"`
			Provider struct {
				ID       string `xml:"id,attr"`
				Incoming []struct {
					Type   string `xml:"type,attr"`
					Port   int    `xml:"port"`
					Socket string `xml:"socketType"`
					User   string `xml:"username"`
				} `xml:"incomingServer"`
				Outgoing []struct {
					Host string `xml:"hostname"`
					Port int    `xml:"port"`
				} `xml:"outgoingServer"`
			} `xml:"emailProvider"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/xml") {
			t.Fatalf("%s: %d %v %s", url, w.Code, err, w.Body)
		}
		in, out := got.Provider.Incoming, got.Provider.Outgoing
		if got.Provider.ID != want || len(in) != 3 || len(out) != 2 || in[0].Type != "imap" || in[0].Port != 993 || in[0].Socket != "SSL" ||
			in[1].Socket != "STARTTLS" || in[0].User != "%EMAILADDRESS%" || out[0].Port != 465 || out[0].Host != "mx.ours.example" {
			t.Errorf("%s: %s", url, w.Body)
		}
	}
}

const outlookAsks = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>ADDRESS</EMailAddress><AcceptableResponseSchema>SCHEMA</AcceptableResponseSchema></Request></Autodiscover>`

func TestAutodiscover(t *testing.T) {
	p := programPublic()
	for _, tt := range []struct{ address, schema, want string }{
		{"anna@ours.example", outlookSchema, "<Server>mx.ours.example</Server>"},
		{" anna@sub.ours.example ", "", "<LoginName>anna@sub.ours.example</LoginName>"},
		{"anna@theirs.example", outlookSchema, "<ErrorCode>500</ErrorCode>"},
		{"anna@ours.example", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006", "<ErrorCode>601</ErrorCode>"},
		{"nobody", outlookSchema, "<ErrorCode>600</ErrorCode>"},
	} {
		body := strings.NewReplacer("ADDRESS", tt.address, "SCHEMA", tt.schema).Replace(outlookAsks)
		w := get(t, p, "POST", "https://autodiscover.ours.example/AutoDiscover/AutoDiscover.xml", body)
		if w.Code != 200 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %s", tt.address, w.Code, w.Body)
		}
	}
	w := get(t, p, "POST", "https://autodiscover.ours.example/autodiscover/autodiscover.xml", strings.NewReplacer("ADDRESS", "a@ours.example", "SCHEMA", outlookSchema).Replace(outlookAsks))
	var got struct {
		XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
		Response struct {
			XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
			Protocol []struct {
				Type, SSL, Encryption string
				Port                  int
			} `xml:"Account>Protocol"`
		}
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err, w.Body)
	}
	if all := got.Response.Protocol; len(all) != 3 || all[0].Type != "IMAP" || all[0].Port != 993 || all[0].Encryption != "SSL" || all[2].Type != "SMTP" || all[2].Port != 465 {
		t.Errorf("%+v", all)
	}
	if w := get(t, p, "POST", "https://autodiscover.ours.example/autodiscover/autodiscover.xml", "<a><b>"); !strings.Contains(w.Body.String(), "<ErrorCode>600</ErrorCode>") {
		t.Errorf("nonsense: %s", w.Body)
	}
	w = get(t, p, "GET", "https://autodiscover.ours.example/autodiscover/autodiscover.json/v1.0/a@ours.example?Protocol=AutodiscoverV1", "")
	var to struct{ Protocol, Url string }
	if err := json.Unmarshal(w.Body.Bytes(), &to); err != nil || to.Url != "https://autodiscover.ours.example/autodiscover/autodiscover.xml" {
		t.Errorf("%s, %v", w.Body, err)
	}
	if w = get(t, p, "GET", "https://autodiscover.ours.example/autodiscover/autodiscover.json/v1.0/a@ours.example?Protocol=ActiveSync", ""); w.Code != 404 {
		t.Errorf("ActiveSync: %d %s", w.Code, w.Body)
	}
}

func TestMobileconfig(t *testing.T) {
	p := programPublic()
	w := get(t, p, "GET", "https://ours.example/mail.mobileconfig?address=an%26na@ours.example", "")
	text := w.Body.String()
	for _, want := range []string{"<string>EmailTypeIMAP</string>", "<integer>993</integer>", "<integer>465</integer>", "an&amp;na@ours.example", "<string>example.ours.mail."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if w.Header().Get("Content-Type") != "application/x-apple-aspen-config" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("%v", w.Header())
	}
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			break
		}
	}
	if again := get(t, p, "GET", "https://ours.example/mail.mobileconfig?address=an%26na@ours.example", ""); again.Body.String() != text {
		t.Error("the same address gives another profile")
	}
	for url, want := range map[string]int{"https://ours.example/mail.mobileconfig": 400, "https://ours.example/mail.mobileconfig?address=a@theirs.example": 404} {
		if w := get(t, p, "GET", url, ""); w.Code != want {
			t.Errorf("%s: %d", url, w.Code)
		}
	}
	p.Servers = nil
	if w := get(t, p, "GET", "https://ours.example/mail.mobileconfig?address=a@ours.example", ""); w.Code != 404 {
		t.Errorf("without servers: %d", w.Code)
	}
}

func TestFrontPage(t *testing.T) {
	p := programPublic()
	p.Operator, p.Style = "Anna <Example>\nStreet 1", []byte("body{}")
	w := get(t, p, "GET", "https://mx.ours.example/", "")
	for _, want := range []string{"Anna &lt;Example&gt;<br>Street 1", "mailto:postmaster@ours.example", "mailto:abuse@ours.example", "465", "/mail.mobileconfig"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if w := get(t, p, "GET", "https://ours.example/static/allgreen.css", ""); w.Body.String() != "body{}" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("the style: %s", w.Body)
	}
}
