package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/show"
)

// classifyCommand says what a reply means. It asks nobody.
type classifyCommand struct {
	Text []string `arg:"" optional:"" name:"text" help:"The reply, a line of a log or a delivery report; without it, standard input."`
	Host string   `help:"The MX host that answered, where the text does not name it." placeholder:"NAME"`
	JSON bool     `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (classifyCommand) Examples() string {
	return `allgreen classify-reply "550 5.7.515 Access denied"
allgreen classify-reply --host mx3.qq.com "550 Ip frequency limited"
allgreen classify-reply --json < report.eml`
}

// Run classifies; it exits 0 whatever the reply means.
func (c *classifyCommand) Run(io streams) error {
	text := strings.Join(c.Text, " ")
	if text == "" {
		var err error
		if text, err = pasted(io.in); err != nil {
			return err
		}
	}
	a, err := classify(provider.New(), text, c.Host)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, a)
	}
	return tellAnswer(io.out, a)
}

// maxPasted is how much of standard input is read for one reply.
const maxPasted = 1 << 20

func pasted(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxPasted))
	if err != nil {
		return "", noInput(fmt.Errorf("read the reply: %w", err), "")
	}
	return string(text), nil
}

// answer is a reply with what it means, as classify-reply, explain and the
// assistants print it.
type answer struct {
	Code       int                 `json:"code"` // 0: there was no reply, only words
	Enhanced   string              `json:"enhanced"`
	Permanence provider.Permanence `json:"permanence"`
	Class      string              `json:"class"`
	Means      string              `json:"means"`
	Scope      provider.Scope      `json:"scope"`
	Provider   string              `json:"provider"`
	Advice     string              `json:"advice"`
	Hold       string              `json:"hold"`
	Link       string              `json:"link,omitempty"`
	Checks     []string            `json:"checks,omitempty"`
	Rule       string              `json:"rule,omitempty"`
	Guessed    bool                `json:"guessed"`
	Host       string              `json:"host,omitempty"`
	Text       string              `json:"text"` // as the other side said it

	name string // of the provider, for people
}

// classify reads a text and says what it means; host may be empty.
func classify(d *provider.Directory, text, host string) (answer, error) {
	p, err := provider.Read(text)
	if err != nil {
		return answer{}, noInput(errors.New("there is no reply to classify"), `give it as an argument: allgreen classify-reply "550 5.1.1 ..."`)
	}
	if host != "" {
		if p.Host, err = mail.ParseDomain(host); err != nil {
			return answer{}, usage(fmt.Errorf("--host: %w", err), "it is the name of the server that answered")
		}
	}
	m := d.Classify(p.Reply, p.Host)
	a := answer{
		Code: p.Reply.Code, Enhanced: p.Reply.Enhanced.String(), Permanence: m.Permanence, Class: m.Class, Means: m.Means,
		Scope: m.Scope, Provider: m.Provider, Advice: m.Advice, Hold: short(m.Hold), Link: m.Link, Checks: m.Checks,
		Rule: m.Rule, Guessed: m.Guessed, Host: p.Host.String(), Text: p.Reply.Text(),
	}
	if who, ok := d.Get(m.Provider); ok {
		a.name = who.Name
	}
	return a, nil
}

// short is a duration without the zeros that Go puts behind it.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// tellAnswer is an answer for the terminal.
func tellAnswer(w io.Writer, a answer) error {
	sure := "a known reply, by the rule " + a.Rule
	if a.Guessed {
		sure = "guessed from its codes and words"
	}
	if a.Class == "sent" {
		sure = ""
	}
	head := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", codeOf(a), a.Enhanced, a.Permanence)), " ")
	if head != "" {
		head += ": "
	}
	fmt.Fprintf(w, "%s\n\n%s\n\n", show.Paragraph(head+a.Means, 0, width(w)), show.Paragraph(a.Advice, 2, width(w)))
	wait := ""
	if a.Hold != "0s" {
		wait = a.Hold
	}
	return show.Pairs(w, [][2]string{
		{"class", a.Class}, {"concerns", scopeWords[a.Scope]}, {"wait", wait}, {"said by", a.Host}, {"provider", providerWords(a)},
		{"see", a.Link}, {"checks", strings.Join(a.Checks, ", ")}, {"sure", sure}, {"reply", a.Text},
	}, width(w))
}

func codeOf(a answer) string {
	if a.Code == 0 {
		return ""
	}
	return fmt.Sprint(a.Code)
}

func providerWords(a answer) string {
	if a.Provider == "" {
		return ""
	}
	return a.name + " (allgreen provider show " + a.Provider + ")"
}

// scopeWords say what a reply concerns.
var scopeWords = map[provider.Scope]string{
	provider.Address: "the sending address", provider.Network: "the network of the sending address",
	provider.Domain: "the sender's domain", provider.DKIMKey: "the domain that signed", provider.Recipient: "this recipient",
	provider.Message: "this message", provider.Receiver: "everything to this receiver",
}
