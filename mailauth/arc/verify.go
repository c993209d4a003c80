package arc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// Result is a word of RFC 8617 section 4.4. The zero value is None.
type Result string

// The three there are.
const (
	None Result = ""
	Pass Result = "pass"
	Fail Result = "fail"
)

// String is the word, "none" for the zero value.
func (r Result) String() string {
	if r == None {
		return "none"
	}
	return string(r)
}

// Chain is the judgement on all sets of a message.
type Chain struct {
	Result    Result
	Reason    string              // for people
	Temporary bool                // it fails because a key could not be asked for
	Sets      []Set               // by instance; as far as they could be read
	Message   dkim.Verification   // of the newest message signature
	Seals     []dkim.Verification // from the newest seal down to the first that fails
}

// Verify verifies the chain of a message (RFC 8617 section 5.2).
func Verify(ctx context.Context, r world.Resolver, header message.Header, body io.Reader, now time.Time) Chain {
	v := NewVerifier(header)
	if v.message != nil {
		if _, err := io.Copy(v, body); err != nil {
			v.chain.fail("the body did not come whole: %s", err)
			v.message = nil
		}
	}
	return v.Result(ctx, r, now)
}

// Verifier verifies the chain of a message whose body is written to it.
type Verifier struct {
	chain   Chain
	message *dkim.Verifier // nil when the verdict is known without the body
}

// NewVerifier reads the sets of a header. Write the body next.
func NewVerifier(header message.Header) *Verifier {
	v := &Verifier{}
	sets, err := collect(header)
	v.chain.Sets = sets
	switch {
	case errors.Is(err, errNone):
		v.chain.Reason = err.Error()
	case err != nil:
		v.chain.fail("%s", err)
	default:
		// Only the newest message signature must hold: the older handlers'
		// signatures were broken by those after them.
		v.message = dkim.NewARCVerifier(header, sets[len(sets)-1].signature)
	}
	return v
}

// Write takes the next octets of the body; it never fails.
func (v *Verifier) Write(p []byte) (int, error) {
	if v.message != nil {
		return v.message.Write(p)
	}
	return len(p), nil
}

// Result fetches the keys and judges. Call it once, after the body.
func (v *Verifier) Result(ctx context.Context, r world.Resolver, now time.Time) Chain {
	if v.message == nil {
		return v.chain
	}
	c := &v.chain
	c.Message = v.message.Results(ctx, r, now)[0]
	if c.Message.Result != dkim.Pass {
		c.Temporary = c.Message.Result == dkim.TempError
		c.fail("message signature %d: %s", len(c.Sets), c.Message.Reason)
		return *c
	}
	digests := sealDigests(c.Sets)
	for i := len(c.Sets) - 1; i >= 0; i-- {
		seal := dkim.VerifySigned(ctx, r, c.Sets[i].Seal, digests[i], now)
		c.Seals = append(c.Seals, seal)
		if seal.Result != dkim.Pass {
			c.Temporary = seal.Result == dkim.TempError
			c.fail("seal %d: %s", i+1, seal.Reason)
			return *c
		}
	}
	c.Result = Pass
	return *c
}

func (c *Chain) fail(format string, args ...any) {
	c.Result, c.Reason = Fail, fmt.Sprintf(format, args...)
}

// sealDigests is what each seal signs: all sets up to its own in order, the seal
// itself without its value (RFC 8617 section 5.1.1).
func sealDigests(sets []Set) [][sha256.Size]byte {
	digests := make([][sha256.Size]byte, len(sets))
	var signed []byte
	for i, s := range sets {
		signed = dkim.Relaxed.AppendField(signed, s.results)
		signed = dkim.Relaxed.AppendField(signed, s.signature)
		digests[i] = sha256.Sum256(dkim.Relaxed.AppendUnsigned(signed, s.seal))
		signed = dkim.Relaxed.AppendField(signed, s.seal)
	}
	return digests
}
