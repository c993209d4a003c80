package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// sendFlags say through which server a message goes.
type sendFlags struct {
	Socket string `help:"The socket of the server of this machine." env:"ALLGREEN_SOCKET" placeholder:"PATH"`
	Server string `help:"Send through a server elsewhere instead, with --token." placeholder:"URL"`
	Token  string `help:"The API token; better in ALLGREEN_TOKEN, where nobody reads it." env:"ALLGREEN_TOKEN" placeholder:"SECRET"`
}

// post hands the message in.
func (f sendFlags) post(ctx context.Context, common commonFlags, e web.Envelope, raw io.Reader) (web.Accepted, error) {
	if f.Server == "" {
		w := &world.World{Network: world.Machine()}
		return web.Post(ctx, web.NewClient(w, f.socket(common)), e, raw)
	}
	if f.Token == "" {
		return web.Accepted{}, usage(errors.New("--server needs an API token"), "put it into ALLGREEN_TOKEN; make one with: allgreen account token add")
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, Timeout: 5 * time.Minute}
	return web.PostTo(ctx, client, f.Server, f.Token, e, raw)
}

// socket is where the server of this machine listens. Not everybody may read its
// configuration, and everybody may send.
func (f sendFlags) socket(common commonFlags) string {
	if f.Socket != "" {
		return f.Socket
	}
	if c, err := common.readConfig(); err == nil && c.Submit.Socket != "" {
		return c.Submit.Socket
	}
	return config.Defaults().Submit.Socket
}

// sendCommand writes a message and sends it.
type sendCommand struct {
	sendFlags
	From    string   `help:"Who writes; without it the address of the user." placeholder:"ADDRESS"`
	To      []string `required:"" help:"Who gets it; repeatable." placeholder:"ADDRESS" sep:","`
	Cc      []string `help:"Who gets a copy." placeholder:"ADDRESS" sep:","`
	Bcc     []string `help:"Who gets a copy that nobody sees." placeholder:"ADDRESS" sep:","`
	Subject string   `help:"The subject." placeholder:"TEXT"`
	Attach  []string `help:"A file to send along; repeatable." placeholder:"FILE" sep:"none"`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (sendCommand) Examples() string {
	return `allgreen send --to anna@example.com --subject Backup < report.txt
allgreen send --from crm@example.com --to b@example.net --attach bill.pdf \
  --server https://mx.example.com < letter.txt`
}

// author is who writes when nobody says so: the user, whom the server of this
// machine knows.
func (c *sendCommand) author() (string, error) {
	if c.From != "" {
		return c.From, nil
	}
	if c.Server != "" {
		return "", usage(errors.New("--server needs --from"), "it takes an address that the token may use")
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("who are you: %w", err)
	}
	return u.Username, nil
}

// Run composes standard input and sends it.
func (c *sendCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	draft, files, err := c.draft(io.in)
	defer closeAll(files)
	if err != nil {
		return err
	}
	e := web.Envelope{From: draft.From[0].Address.String()}
	for _, list := range [][]string{c.To, c.Cc, c.Bcc} {
		boxes, err := parseBoxes(list)
		if err != nil {
			return usage(err, "addresses look like anna@example.com, or root for a user of this machine")
		}
		for _, m := range boxes {
			e.To = append(e.To, m.Address.String())
		}
	}
	accepted, err := c.post(ctx, common, e, composed(ctx, draft))
	if err != nil {
		return sendFailure(err, exitUnreachable)
	}
	if c.JSON {
		return printJSON(io.out, accepted)
	}
	_, err = fmt.Fprintln(io.out, accepted.ID)
	return err
}

// draft is the message as the flags describe it.
func (c *sendCommand) draft(body io.Reader) (d message.Draft, files []*os.File, err error) {
	text, err := io.ReadAll(io.LimitReader(body, 50<<20))
	if err != nil {
		return d, nil, noInput(err, "the text is read from standard input")
	}
	author, err := c.author()
	if err != nil {
		return d, nil, err
	}
	d.Subject, d.Text = c.Subject, string(text)
	for _, list := range []struct {
		from []string
		to   *[]message.Mailbox
	}{{[]string{author}, &d.From}, {c.To, &d.To}, {c.Cc, &d.Cc}} {
		if *list.to, err = parseBoxes(list.from); err != nil {
			return d, nil, usage(err, "addresses look like anna@example.com, or 'Anna <anna@example.com>'")
		}
	}
	for _, name := range c.Attach {
		f, err := os.Open(name)
		if err != nil {
			return d, files, noInput(err, "--attach names a file")
		}
		files = append(files, f)
		d.Attachments = append(d.Attachments, message.Attachment{Name: filepath.Base(name), Type: typeOf(name), Content: f})
	}
	return d, files, nil
}

// typeOf tells what a file is by its name.
func typeOf(name string) string {
	kind, _, _ := mime.ParseMediaType(mime.TypeByExtension(filepath.Ext(name)))
	return kind
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // only read
	}
}

func parseBoxes(list []string) (all []message.Mailbox, err error) {
	for _, text := range list {
		if text == "" {
			continue
		}
		if a, err := submit.ParseLocal(text); err == nil {
			all = append(all, message.Mailbox{Address: a})
			continue
		}
		boxes, err := message.ParseAddressList(text)
		if err != nil {
			return nil, err
		}
		all = append(all, boxes...)
	}
	return all, nil
}

// composed streams the message.
func composed(ctx context.Context, d message.Draft) io.Reader {
	body, out := io.Pipe()
	context.AfterFunc(ctx, func() { _ = out.CloseWithError(ctx.Err()) })
	go func() { _ = out.CloseWithError(message.Compose(out, d)) }()
	return body
}

// sendFailure gives an error of sending its exit code, as sysexits has them.
// Unreachable is what it means that no server answers: scripts expect another code
// of sendmail than of our other commands.
func sendFailure(err error, unreachableCode int) error {
	var refused *web.Refusal
	var already *failure
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, web.ErrNoServer):
		return &failure{unreachableCode, err, "start it with: allgreen serve"}
	case !errors.As(err, &refused):
		return err
	}
	code, ok := sendCodes[refused.Code]
	if !ok {
		code = exitUnreachable
	}
	return &failure{code, errors.New(strings.TrimSuffix(refused.Message, ".")), refused.Hint}
}

// Exit codes of sysexits for what a server refuses.
const (
	exitData       = 65
	exitNoUser     = 67
	exitPermission = 77
)

var sendCodes = map[string]int{
	"invalid": exitUsage, "bad-message": exitData, "too-large": exitData, "no-recipients": exitUsage,
	"no-such-recipient": exitNoUser, "no-such-sender": exitPermission, "not-allowed": exitPermission, "unauthorized": exitPermission,
	"on-hold": exitTemporary, "rate-limited": exitTemporary, "temporary": exitTemporary, "refused": exitUnreachable,
}
