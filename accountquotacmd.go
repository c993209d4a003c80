package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/web"
)

type accountQuotaCommand struct {
	adminFlags
	Address  string `arg:"" help:"The address of the account."`
	Size     string `arg:"" help:"The room of the mailbox, as 5GB; none for no limit."`
	Messages int64  `help:"No more messages than these; 0 for no limit." placeholder:"N"`
}

// Examples end the help text.
func (accountQuotaCommand) Examples() string {
	return `allgreen account quota anna@example.com 10GB
allgreen account quota anna@example.com none`
}

// Run changes the quota.
func (c *accountQuotaCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	var size config.Size
	if c.Size != "none" {
		var err error
		if size, err = config.ParseSize(c.Size); err != nil {
			return usage(err, "the room is a size, as 5GB, or none")
		}
	}
	a, err := ask(ctx, c.adminFlags, common, web.AccountQuota, web.NewQuota{Address: c.Address, Octets: int64(size), Messages: c.Messages})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, a)
	}
	_, err = fmt.Fprintf(io.out, "%s has %s of %s, and %d messages of %s\n",
		a.Address, octets(a.Octets), limitOr(a.Quota, octets), a.Messages, limitOr(a.QuotaMessages, func(n int64) string { return strconv.FormatInt(n, 10) }))
	return err
}

func limitOr(n int64, words func(int64) string) string {
	if n == 0 {
		return "as much as there is room for"
	}
	return words(n)
}
