package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
)

// signCommand signs a message with DKIM.
type signCommand struct {
	Domain   string `required:"" help:"The signing domain, d=." placeholder:"D"`
	Selector string `required:"" help:"The selector, s=." placeholder:"S"`
	Key      string `required:"" help:"The private key: PEM (PKCS#1 or PKCS#8), or an Ed25519 seed in base64." placeholder:"FILE"`
}

// Examples end the help text.
func (signCommand) Examples() string {
	return "allgreen sign --domain example.com --selector s1 --key s1.pem \\\n  < message.eml > signed.eml"
}

// Run signs standard input to standard output.
func (c *signCommand) Run(_ context.Context, io streams) error {
	domain, err := mail.ParseDomain(c.Domain)
	if err != nil {
		return usage(err, "--domain takes the domain of the From address, or one above it")
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return noInput(err, "--key names a file with the private key")
	}
	key, err := dkim.ParsePrivateKey(text)
	if err != nil {
		return noInput(err, "make one with: openssl genrsa -out s1.pem 2048")
	}
	raw, err := readMessage(io.in)
	if err != nil {
		return err
	}
	raw = withCRLF(raw)
	field, err := signature(&dkim.Signer{Domain: domain, Selector: c.Selector, Key: key}, raw)
	if err != nil {
		return noInput(err, "the message is read from standard input")
	}
	return writeAll(io.out, []byte(field), raw)
}

func signature(s *dkim.Signer, raw []byte) (string, error) {
	m, err := message.Read(bytes.NewReader(raw), message.Limits{})
	if err != nil {
		return "", err
	}
	return s.Sign(m.Header, m.Body, time.Now())
}

// withCRLF gives every line the end that it has in SMTP, which is what is signed.
func withCRLF(raw []byte) []byte {
	if bytes.Contains(raw, []byte("\r\n")) || !bytes.Contains(raw, []byte("\n")) {
		return raw
	}
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

func writeAll(w io.Writer, parts ...[]byte) error {
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
