package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// Unsubscribe is what the header says about leaving the list (RFC 2369 section 3.2,
// RFC 8058).
type Unsubscribe struct {
	HTTPS    []string
	Mailto   []string
	Others   []string // of other schemes, and what is no URI
	OneClick bool     // List-Unsubscribe-Post says what it must
	Post     string   // its value
}

// oneClick is the only value of List-Unsubscribe-Post (RFC 8058 section 3.1).
const oneClick = "List-Unsubscribe=One-Click"

// maxListURIs bounds what is read of one field.
const maxListURIs = 20

// Unsubscribe reads the fields for leaving the list.
func (p *Sample) Unsubscribe() Unsubscribe {
	post := p.Header.Value("List-Unsubscribe-Post")
	u := Unsubscribe{Post: post, OneClick: strings.EqualFold(strings.Join(strings.Fields(post), ""), oneClick)}
	rest := p.Header.Value("List-Unsubscribe")
	for range maxListURIs {
		_, behind, ok := strings.Cut(rest, "<")
		if !ok {
			break
		}
		var uri string
		if uri, rest, ok = strings.Cut(behind, ">"); !ok {
			break
		}
		// RFC 2369 section 2: white space within the brackets is ignored.
		uri = strings.Join(strings.Fields(uri), "")
		parsed, err := url.Parse(uri)
		switch {
		case err == nil && strings.EqualFold(parsed.Scheme, "https") && parsed.Hostname() != "":
			u.HTTPS = append(u.HTTPS, uri)
		case err == nil && strings.EqualFold(parsed.Scheme, "mailto"):
			u.Mailto = append(u.Mailto, uri)
		default:
			u.Others = append(u.Others, uri)
		}
	}
	return u
}

// ofBulk judges mail that goes to many; other mail is skipped with the code "single".
func ofBulk(judge func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
		if m.Bulk() == "" {
			f.Code, f.Summary = "single", "nothing shows that the message goes to many"
			return f
		}
		return judge(ctx, s, m, f)
	})
}

var singleCode = Code{"single", finding.Skip, "nothing shows that the message goes to many: no List field, no Precedence, no Feedback-ID"}

var messageUnsubscribe = rule{About{
	ID:       "message.unsubscribe",
	Question: "Can people leave the list with one click?",
	Why: "Google and Yahoo require one-click unsubscription of everybody who sends to many, and refuse or file as spam without it. Who cannot " +
		"leave presses \"spam\" instead, which costs far more.",
	Fix: "Add List-Unsubscribe: <https://...token> (and a mailto: beside it if you like) and List-Unsubscribe-Post: List-Unsubscribe=One-Click, " +
		"and sign both.",
	Refs:      []string{"RFC 8058 3.1", "RFC 2369 3.2"},
	Rows:      []string{"UNSUB-01"},
	Practices: []string{"W1"},
	Affects:   []string{"google", "yahoo", "apple", "orange", "laposte"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"one-click", finding.Green, "one https address, and List-Unsubscribe-Post"},
		{"missing", finding.Red, "no List-Unsubscribe"},
		{"no-https", finding.Red, "no https address"},
		{"several-https", finding.Red, "more than one https address"},
		{"no-post", finding.Red, "no List-Unsubscribe-Post"},
		{"wrong-post", finding.Red, "List-Unsubscribe-Post says something else"},
		singleCode,
	},
}, ofBulk(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	u := m.Unsubscribe()
	f.Evidence = append(fieldEvidence(m.Header, "List-Unsubscribe", "List-Unsubscribe-Post"), "bulk mail by "+m.Bulk())
	switch {
	case !m.Header.Has("List-Unsubscribe"):
		f.Code, f.Summary = "missing", "the message goes to many and has no List-Unsubscribe"
		f.Fix = "Add List-Unsubscribe: <https://your.domain/unsubscribe?token> and List-Unsubscribe-Post: " + oneClick + ", and sign both."
	case len(u.HTTPS) == 0:
		f.Code, f.Summary = "no-https", "List-Unsubscribe has no https address"
		f.Fix = "Add an https address that knows the recipient by a token; mailto may stay beside it."
	case len(u.HTTPS) > 1:
		f.Code, f.Summary = "several-https", fmt.Sprintf("List-Unsubscribe has %d https addresses", len(u.HTTPS))
		f.Fix = "Keep the one https address that takes the click."
	case u.Post == "":
		f.Code, f.Summary = "no-post", "there is no List-Unsubscribe-Post"
		f.Fix = "Add List-Unsubscribe-Post: " + oneClick + ", and sign it."
	case !u.OneClick:
		f.Code, f.Summary = "wrong-post", fmt.Sprintf("List-Unsubscribe-Post says %.60q, not %s", u.Post, oneClick)
		f.Fix = "Write List-Unsubscribe-Post: " + oneClick + ", nothing else."
	default:
		f.Code, f.Summary, f.Evidence = "one-click", "people can leave the list with one click", nil
	}
	return f
})}

var messageUnsubscribeSigned = rule{About{
	ID:       "message.unsubscribe-signed",
	Question: "Are the unsubscription fields signed?",
	Why: "RFC 8058 lets mail programs offer the click only when a valid DKIM signature covers both fields: otherwise anybody could add a link " +
		"that acts in the reader's name.",
	Fix:       "Add List-Unsubscribe and List-Unsubscribe-Post to the signed headers; have the fields written before the message is signed.",
	Refs:      []string{"RFC 8058 4"},
	Rows:      []string{"UNSUB-02", "DKIM-08"},
	Practices: []string{"W1"},
	Affects:   []string{"google", "yahoo", "apple"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.unsubscribe"},
	Codes: []Code{
		{"signed", finding.Green, "a valid signature covers both fields"},
		{"unsigned", finding.Red, "no valid signature covers both fields"},
		singleCode,
	},
}, ofBulk(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "unsigned", "no valid signature covers List-Unsubscribe and List-Unsubscribe-Post"
	var open *dkim.Verification
	for _, v := range s.Authentication(ctx).DKIM {
		switch {
		case !v.Signature.Signs("List-Unsubscribe") || !v.Signature.Signs("List-Unsubscribe-Post"):
		case v.Result == dkim.Pass:
			f.Code, f.Summary, f.Evidence = "signed", fmt.Sprintf("the signature %s covers both fields", signatureName(v)), nil
			return f
		case v.Result == dkim.TempError:
			open = &v
		}
		if len(f.Evidence) < maxShown {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %s, h=%.200s", signatureName(v), v.Result, strings.Join(v.Signed, ":")))
		}
	}
	if open != nil {
		return unanswered(s.String(), "the signature of the unsubscription fields", open.Reason)
	}
	return f
})}

var messageUnsubscribeWorks = rule{About{
	ID:       "message.unsubscribe-works",
	Question: "Does the one-click address work?",
	Why: "Mail programs POST to it without a browser: a login, a cookie, a page that asks again or a redirect is an unsubscription that " +
		"never happened, and the next message is reported as spam.",
	Fix: "Answer POST with List-Unsubscribe=One-Click directly with 200, without a redirect or a cookie, and take the person off the list; " +
		"let GET only show a page with a button.",
	Refs:      []string{"RFC 8058 3.1", "RFC 8058 3.2", "RFC 9110 9.2.1"},
	Rows:      []string{"UNSUB-03"},
	Practices: []string{"W1"},
	Affects:   []string{"google", "yahoo"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.unsubscribe"},
	Codes: []Code{
		{"works", finding.Green, "the POST is answered with success"},
		{"redirect", finding.Red, "the POST is redirected"},
		{"login", finding.Red, "the POST needs a login"},
		{"cookie", finding.Red, "the answer sets a cookie"},
		{"refused", finding.Red, "the POST is answered with an error"},
		{"no-host", finding.Red, "the host of the address does not exist"},
		{"private", finding.Red, "the host of the address is not on the Internet"},
		{"unreached", finding.Unknown, "the web server could not be asked"},
		singleCode,
	},
}, ofBulk(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	u := m.Unsubscribe()
	if len(u.HTTPS) != 1 {
		return finding.Finding{} // message.unsubscribe has said it
	}
	f.Evidence = []string{fmt.Sprintf("POST %.300q", u.HTTPS[0])}
	parsed, err := url.Parse(u.HTTPS[0])
	if err != nil {
		return finding.Finding{}
	}
	f.Subject = parsed.Hostname()
	if stop, ok := s.mayPost(ctx, parsed, f); !ok {
		return stop
	}
	return s.postUnsubscribe(ctx, u.HTTPS[0], f)
})}

// mayPost reports whether the click may be tried: it takes somebody off a list, and
// a stranger's message must not make this machine talk to its own network.
func (s *Subject) mayPost(ctx context.Context, u *url.URL, f finding.Finding) (finding.Finding, bool) {
	host, err := mail.ParseDomain(u.Hostname())
	if err != nil {
		f.Code, f.Summary = "no-host", fmt.Sprintf("%.80q is no host name", u.Hostname())
		return f, false
	}
	ips, err := world.LookupHost(ctx, s.World, host)
	switch {
	case errors.Is(err, world.ErrNotFound):
		f.Code, f.Summary, f.Evidence = "no-host", host.String()+" has no address", append(f.Evidence, evidenceOf(err))
		return f, false
	case err != nil:
		return unseen(host.String(), err), false
	}
	for _, ip := range ips {
		if !s.World.IsPublic(ip) {
			f.Code, f.Summary = "private", fmt.Sprintf("%s is at %s, where nobody else can reach it", host, ip)
			return f, false
		}
		if proof := s.Proof(ctx, ip); !proof.Granted {
			f.Code, f.Summary = "needs-proof", "the click was not tried, for it really unsubscribes: "+proof.How
			return f, false
		}
	}
	return f, true
}

// webPatience is how long a web server may take to answer a click.
const webPatience = 15 * time.Second

// postUnsubscribe clicks, as a mail program does.
func (s *Subject) postUnsubscribe(ctx context.Context, to string, f finding.Finding) finding.Finding {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(oneClick))
	if err != nil {
		return finding.Finding{}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := s.World.HTTPClient(min(webPatience, s.Options.timeout())).Do(request)
	if err != nil {
		f.Code, f.Summary = "unreached", "the web server could not be asked: "+err.Error()
		f.Evidence = append(f.Evidence, err.Error())
		return f
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<16) // what it says does not count
	_ = answer.Body.Close()
	f.Evidence = append(f.Evidence, "answer: "+answer.Status)
	switch code := answer.StatusCode; {
	case code >= 300 && code < 400:
		f.Code, f.Summary = "redirect", fmt.Sprintf("%s redirects the click to %.200q", f.Subject, answer.Header.Get("Location"))
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.Code, f.Summary = "login", fmt.Sprintf("%s asks for a login: %s", f.Subject, answer.Status)
	case code < 200 || code > 299:
		f.Code, f.Summary = "refused", fmt.Sprintf("%s answers the click with %s", f.Subject, answer.Status)
	case answer.Header.Get("Set-Cookie") != "":
		f.Code, f.Summary = "cookie", fmt.Sprintf("%s answers the click with a cookie", f.Subject)
	default:
		f.Code, f.Summary, f.Evidence = "works", fmt.Sprintf("%s takes the click: %s", f.Subject, answer.Status), nil
	}
	return f
}

var messageListHeaders = rule{About{
	ID:       "message.list-headers",
	Question: "Does mail to many say which list it belongs to?",
	Why: "List-Id lets people sort and receivers tell your newsletter from your invoices, so that complaints about the one do not stop the " +
		"other. Precedence keeps vacation replies away.",
	Fix:       "Add List-Id: Name <list.example.com>, the same in every message of the list, and Precedence: bulk or list.",
	Refs:      []string{"RFC 2919 2", "RFC 2369 3", "RFC 3834 5"},
	Rows:      []string{"UNSUB-05"},
	Practices: []string{"W1"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"named", finding.Green, "List-Id names the list"},
		{"no-list-id", finding.Yellow, "no List-Id"},
		{"malformed", finding.Yellow, "List-Id cannot be read"},
		{"junk", finding.Yellow, "Precedence calls the message junk"},
		singleCode,
	},
}, ofBulk(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Evidence = append(fieldEvidence(m.Header, "List-Id", "Precedence"), "bulk mail by "+m.Bulk())
	id := m.Header.Value("List-Id")
	switch {
	case strings.EqualFold(m.Header.Value("Precedence"), "junk"):
		f.Code, f.Summary = "junk", "Precedence calls the message junk; receivers believe it"
	case id == "":
		f.Code, f.Summary = "no-list-id", "the message goes to many and has no List-Id"
	case listID(id) == "":
		f.Code, f.Summary = "malformed", fmt.Sprintf("List-Id %.80q names no list in angle brackets", id)
	default:
		f.Code, f.Summary, f.Evidence = "named", fmt.Sprintf("the message belongs to the list %.80s", listID(id)), nil
	}
	return f
})}

// listID is the identifier in a List-Id field: labels in angle brackets (RFC 2919
// section 2).
func listID(value string) string {
	open := strings.LastIndexByte(value, '<')
	id, _, closed := strings.Cut(value[open+1:], ">")
	if open < 0 || !closed || !strings.Contains(id, ".") || strings.ContainsAny(id, " \t") {
		return ""
	}
	return id
}

var messageUnsubscribeLink = rule{About{
	ID:       "message.unsubscribe-link",
	Question: "Does the text of the message show how to leave the list?",
	Why: "Not every mail program shows the button of the header. Google, Yahoo and the law of many countries want a visible link in the text of " +
		"every message of a list.",
	Fix:       "Put a link with the word \"unsubscribe\" into the text of every message of the list.",
	Refs:      []string{"RFC 2369 3.2", "RFC 8058 1"},
	Rows:      []string{"UNSUB-05", "WEB-02"},
	Practices: []string{"W1"},
	Affects:   []string{"google", "yahoo", "mailru"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"visible", finding.Green, "a link in the text leads off the list"},
		{"none", finding.Yellow, "no link in the text leads off the list"},
		singleCode,
	},
}, ofBulk(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	u := m.Unsubscribe()
	for _, l := range m.Links {
		if l.From == "src" {
			continue // a picture is loaded, not followed
		}
		if leadsOff(l, u) {
			f.Code, f.Summary = "visible", fmt.Sprintf("the text has the link %.80q off the list", l.URL)
			return f
		}
	}
	f.Code, f.Summary = "none", "no link in the text leads off the list"
	return f
})}

func leadsOff(l message.Link, u Unsubscribe) bool {
	if slices.Contains(u.HTTPS, l.URL) || slices.Contains(u.Mailto, l.URL) {
		return true
	}
	text := strings.ToLower(l.Text + " " + l.URL)
	return slices.ContainsFunc(knownLookalikes().LeaveList, func(word string) bool { return strings.Contains(text, word) })
}
