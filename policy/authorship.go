package policy

import (
	"context"
	"strings"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// authorship asks whether the message is from whom it claims.
type authorship struct{ o Options }

// Name is "authorship".
func (*authorship) Name() string { return "authorship" }

// Decide defers what cannot be judged now, and turns failures into evidence.
func (a *authorship) Decide(_ context.Context, s *Session) Verdict {
	r := &s.Results
	if r.DMARC.Result == dmarc.ResultTempError {
		// RFC 9989 section 5.3.5 leaves it to us. Taking it would let a forger through
		// whenever names cannot be looked up.
		return postpone(451, laterNames, "authorship.unavailable", "the author's domain cannot be looked up now").with(strings.Join(r.DMARC.Reasons, "; "))
	}
	switch {
	case r.DMARC.Result == dmarc.ResultFail:
		a.failed(s) // and SPF has had its say in it
	case r.DMARC.Result == dmarc.ResultPass:
	case r.SPF.Result == spf.Fail:
		s.add("spf-fail", r.SPF.MailFrom.Mechanism)
	case r.SPF.Result == spf.SoftFail:
		s.add("spf-softfail", r.SPF.MailFrom.Mechanism)
	}
	return Verdict{}
}

// failed is a message whose author's domain does not stand by it.
func (a *authorship) failed(s *Session) {
	e := &s.Results.DMARC
	code := "dmarc-none"
	switch e.Disposition {
	case dmarc.Quarantine:
		code = "dmarc-quarantine"
	case dmarc.Reject:
		code = "dmarc-reject"
		if a.o.Strict {
			code = "dmarc-reject-strict"
		}
	}
	s.add(code, e.Author.String())
	if code == "dmarc-none" {
		return
	}
	if ours(a.o, e.Author) {
		s.add("forged-ours", e.Author.String())
	}
	if why := indirect(s); why == "" {
		s.add("forged-directly", "no trace of a list or a forwarder")
	}
}

// indirect finds what a mailing list or a forwarder leaves on honest mail whose
// authentication it breaks (RFC 7960 section 3). A forger can leave it as well, and
// then gets as far as Junk.
func indirect(s *Session) string {
	r := &s.Results
	for _, name := range []string{"List-Id", "List-Post", "Mailing-List", "Resent-From"} {
		if s.Header.Has(name) {
			return name
		}
	}
	switch {
	case r.ARC.Result == arc.Pass:
		return "ARC"
	case len(r.DKIM) > 0 && r.IPRev.Result == mailauth.IPRevPass && s.Header.Count("Received") > 1:
		return "a signature that broke on the way"
	case r.SPF.Result == spf.Pass && s.Header.Count("Received") > 1:
		return "a sender of its own behind other hops"
	}
	return ""
}
