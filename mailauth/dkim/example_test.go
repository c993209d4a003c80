package dkim_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

func ExampleSigner_Sign() {
	// The seed that RFC 8463 appendix A prints.
	key, err := dkim.ParsePrivateKey([]byte("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := message.Read(strings.NewReader("From: joe@example.com\r\nSubject: hi\r\n\r\nhello\r\n"), message.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &dkim.Signer{Domain: mail.MustParseDomain("example.com"), Selector: "s2026", Key: key, Headers: []string{"From", "Subject"}, Oversign: []string{"From"}}
	field, err := s.Sign(m.Header, m.Body, time.Unix(1763740000, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	unsigned, _, _ := strings.Cut(strings.ReplaceAll(field, "\r\n", "\n"), " b=")
	fmt.Println(unsigned, "...")
	record, _ := dkim.KeyRecord(key.Public())
	fmt.Println(record)
	// Output:
	// DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com;
	// 	s=s2026; t=1763740000;
	// 	bh=zS7KNTV0HyeorkDDGwxB1AV6enuRKzO5rthkhdHIRnY=; h=From:Subject:
	// 	From; ...
	// v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
}

func ExampleVerify() {
	text := "DKIM-Signature: v=1; a=rsa-sha1; d=example.com; s=old; h=from; bh=AAAA; b=AAAA\r\nFrom: joe@example.com\r\n\r\n"
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := world.None()
	for _, v := range dkim.Verify(context.Background(), w, m.Header, m.Body, w.Now()) {
		fmt.Println(v.Result, v.Domain, v.Selector, v.Reason)
	}
	// Output: permerror example.com old rsa-sha1 is not safe and must not be used
}
