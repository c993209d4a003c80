package authority

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// forwardTime bounds one question to a name server outside.
const forwardTime = 10 * time.Second

// parseForward reads the socket of the name server that has the records of a zone. It is
// on this machine: the lab speaks with nobody else.
func parseForward(words []string) (netip.AddrPort, error) {
	if len(words) == 1 {
		if at, err := netip.ParseAddrPort(words[0]); err == nil && at.Addr().IsLoopback() {
			return at, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: forward wants address and port of a name server on loopback, not %q", ErrText, words)
}

// ask has the name server behind a zone answer a question. The lab's own servers hand
// its answer on as if it were theirs; one that does not answer is a failure of theirs.
func (z *zone) ask(ctx context.Context, e *exchange) *dns.Msg {
	ctx, cancel := context.WithTimeout(ctx, forwardTime)
	defer cancel()
	query := e.query.Copy()
	query.RecursionDesired = false
	c := &dns.Client{Net: "tcp", Timeout: forwardTime}
	answer, _, err := c.ExchangeContext(ctx, query, z.behind.String())
	if err != nil {
		e.reply.Rcode = dns.RcodeServerFailure
		return e.reply
	}
	answer.RecursionDesired = e.query.RecursionDesired
	answer.Compress = true
	e.reply = answer
	return e.finish()
}
