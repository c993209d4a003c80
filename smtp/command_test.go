package smtp

import (
	"errors"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

func TestCommands(t *testing.T) {
	a := mail.MustParseAddress("user@example.com")
	tests := []struct {
		got  Command
		want string
	}{
		{MailCommand(mail.Address{}, MailOptions{}), "MAIL FROM:<>"},
		{MailCommand(a, MailOptions{Size: 12, Body: Body8BitMIME, SMTPUTF8: true, Return: "HDRS", EnvelopeID: "a+b=c d", RequireTLS: true}),
			"MAIL FROM:<user@example.com> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d REQUIRETLS"},
		{RcptCommand(mail.Address{Local: "Postmaster"}, RcptOptions{}), "RCPT TO:<Postmaster>"},
		{RcptCommand(mail.MustParseAddress(`"a b"@[192.0.2.1]`), RcptOptions{}), `RCPT TO:<"a b"@[192.0.2.1]>`},
		{RcptCommand(a, RcptOptions{Notify: []string{"FAILURE", "DELAY"}, OriginalRecipient: mail.MustParseAddress("x+y@example.com")}),
			"RCPT TO:<user@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;x+2By@example.com"},
		{RcptCommand(a, RcptOptions{OriginalRecipient: mail.MustParseAddress("jürgen+x@example.com")}),
			`RCPT TO:<user@example.com> ORCPT=utf-8;j\x{FC}rgen\x{2B}x@example.com`},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

func TestCommandOfTwoLines(t *testing.T) {
	for _, cmd := range []Command{"NOOP\r\nQUIT", "NOOP\n", "NOOP\r"} {
		if err := cmd.check(); !errors.Is(err, ErrCommand) {
			t.Errorf("%q: %v", cmd, err)
		}
	}
}
