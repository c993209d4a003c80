package smtp

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
)

// masked stands for a secret in the transcript.
const masked = "********"

// AuthPlain logs in by PLAIN (RFC 4616) with an initial response. Without TLS it
// refuses with ErrCommand, unless the options allow it.
func (c *Client) AuthPlain(ctx context.Context, user, password string) (mail.Reply, error) {
	if err := c.mayAuth(); err != nil {
		return mail.Reply{}, err
	}
	return c.Do(ctx, "AUTH PLAIN "+encoded("\x00"+user+"\x00"+password))
}

// AuthLogin logs in by LOGIN, the old mechanism without a standard: two questions,
// whatever their wording, answered with the name and the password.
func (c *Client) AuthLogin(ctx context.Context, user, password string) (mail.Reply, error) {
	if err := c.mayAuth(); err != nil {
		return mail.Reply{}, err
	}
	reply, err := c.Do(ctx, "AUTH LOGIN")
	for _, answer := range []string{user, password} {
		if err != nil || !reply.IsIntermediate() {
			return reply, err
		}
		reply, err = c.do(ctx, encoded(answer), masked)
	}
	return reply, err
}

func (c *Client) mayAuth() error {
	if c.tls == nil && !c.options.ClearAuth {
		return fmt.Errorf("%w: a password without TLS", ErrCommand)
	}
	return nil
}

func encoded(s string) Command {
	return Command(base64.StdEncoding.EncodeToString([]byte(s)))
}
