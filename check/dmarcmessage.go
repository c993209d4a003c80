package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

var dmarcMessage = rule{About{
	ID:       "dmarc.message",
	Question: "Does the message pass DMARC, by SPF and by DKIM?",
	Why: "Google, Yahoo and Microsoft refuse bulk mail that does not pass (Google 5.7.26, Microsoft 5.7.515). One of SPF and DKIM suffices today; " +
		"with one alone each forwarding or each change to the text loses it.",
	Fix:       "Sign with d= at the domain of From, and use an envelope address under it from a server that its SPF record names.",
	Refs:      []string{"RFC 9989 4.4", "RFC 9989 5.3"},
	Rows:      []string{"DMARC-15", "OUT-AUTH"},
	Practices: []string{"A5", "D10"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from"},
	Codes: []Code{
		{"both", finding.Green, "SPF and DKIM pass and are aligned"},
		{"aligned", finding.Green, "DKIM passes and is aligned; SPF has nothing to add"},
		{"dkim-only", finding.Yellow, "only DKIM is aligned"},
		{"spf-only", finding.Yellow, "only SPF is aligned"},
		{"fail", finding.Red, "neither is"},
		{"no-record", finding.Red, "no DMARC record speaks for the domain of From"},
		{"unusable", finding.Red, "DMARC cannot be applied: no single author domain, or no usable policy"},
		noClientCode,
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	r, h := s.Authentication(ctx), s.Handover(ctx)
	e := r.DMARC
	f.Subject, f.Evidence = s.authorDomain(ctx).String(), e.Reasons
	if f.Subject == "" {
		f.Subject = s.String()
	}
	switch {
	case e.SPFAligned && e.DKIMAligned:
		f.Code, f.Summary, f.Evidence = "both", "SPF and DKIM pass for "+f.Subject, nil
	case e.DKIMAligned && (!h.KnowsEnvelope() || h.ReversePath.IsZero()):
		f.Code, f.Summary = "aligned", "DKIM passes for "+f.Subject
	case openMethod(r, "spf") != "" && !e.SPFAligned:
		return unanswered(f.Subject, "SPF", openMethod(r, "spf"))
	case openMethod(r, "dkim") != "" && !e.DKIMAligned:
		return unanswered(f.Subject, "DKIM", openMethod(r, "dkim"))
	case e.DKIMAligned:
		f.Code, f.Summary = "dkim-only", "DKIM passes for "+f.Subject+", SPF does not"
		f.Fix = fmt.Sprintf("Use an envelope address under %s, and send from a server that its SPF record names.", f.Subject)
	case e.SPFAligned:
		f.Code, f.Summary = "spf-only", "SPF passes for "+f.Subject+", DKIM does not"
		f.Fix = fmt.Sprintf("Sign with d=%s, as the last step before the message leaves.", f.Subject)
	case e.Result == dmarc.ResultTempError && e.Err != nil:
		return unseen(f.Subject, e.Err)
	case e.Result == dmarc.ResultTempError:
		return unanswered(f.Subject, "DMARC", e.Reasons[0])
	case e.Result == dmarc.ResultNone:
		f.Code, f.Summary = "no-record", f.Subject+" has no DMARC record"
		f.Fix, f.Who = "Publish the record; raise its policy as the reports allow.", finding.DNSOwner
		f.Records = []finding.Record{finding.TXT("_dmarc."+f.Subject+".", "v=DMARC1; p=none; rua=mailto:postmaster@"+f.Subject)}
	case e.Result == dmarc.ResultPermError:
		f.Code, f.Summary = "unusable", "DMARC cannot be applied to the message"
	case !h.KnowsEnvelope():
		return noClient(s, "DMARC")
	default:
		f.Code, f.Summary = "fail", fmt.Sprintf("the message does not pass DMARC of %s, whose policy is %s", f.Subject, e.Published)
	}
	return f
})}

// openMethod is why it stays open whether SPF or DKIM speaks for the domain of
// From: a lookup of its own or one about alignment failed. "" when it is known; an
// identifier that could not align anyway leaves nothing open.
func openMethod(r *mailauth.Results, method string) string {
	for _, id := range r.DMARC.Identifiers {
		switch {
		case id.Method != method || id.Err == nil:
		case !errors.Is(id.Err, dmarc.ErrUndecided):
			return id.Err.Error()
		case method == "spf":
			return r.SPF.MailFrom.Reason
		default:
			return openSignature(r.DKIM).Reason
		}
	}
	return ""
}

var dmarcNullPath = rule{About{
	ID:       "dmarc.null-path",
	Question: "Are bounces and reports aligned too?",
	Why: "Mail from the null reverse-path has only its HELO name for SPF. Where that is not under the domain of From, DMARC hangs on the " +
		"signature alone, which bounces often lack.",
	Fix:       "Name the server under the mail domain, publish \"v=spf1 a -all\" at its name, and sign bounces and reports as all other mail.",
	Refs:      []string{"RFC 7208 2.4", "RFC 9989 4.4.2"},
	Rows:      []string{"DMARC-16"},
	Practices: []string{"D10"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from"},
	Codes: []Code{
		{"aligned", finding.Green, "SPF of the HELO name passes and is aligned"},
		{"not-aligned", finding.Yellow, "SPF of the HELO name does not speak for the domain of From"},
		{"not-null", finding.Skip, "the message has a reverse-path"},
		noClientCode,
	},
}, ofMessage(func(ctx context.Context, s *Subject, _ *Sample, f finding.Finding) finding.Finding {
	h, r := s.Handover(ctx), s.Authentication(ctx)
	switch {
	case h.PathSource == "":
		return finding.Finding{} // spf.message has said it
	case !h.ReversePath.IsZero():
		f.Code, f.Summary = "not-null", "the message has the reverse-path "+h.ReversePath.Path()
	case h.IPSource == "":
		return noClient(s, "the null reverse-path")
	case r.DMARC.SPFAligned:
		f.Code, f.Summary = "aligned", fmt.Sprintf("SPF of the HELO name %.100s passes and is aligned", h.HELO)
	case openMethod(r, "spf") != "":
		return unanswered(s.String(), "SPF of the HELO name", openMethod(r, "spf"))
	case r.DMARC.Discovery.Record == nil:
		return finding.Finding{} // dmarc.message has said it
	default:
		f.Code, f.Summary = "not-aligned", fmt.Sprintf("SPF of the HELO name %.100s: %s, not aligned with %s", h.HELO, r.SPF.Result, s.authorDomain(ctx))
	}
	return f
})}
