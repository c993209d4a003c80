package mailauth

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/authres"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// Field is the results as an Authentication-Results field: iprev, SPF for both
// identities, every signature, DMARC, and ARC where there is a chain.
func (r Results) Field() authres.Field {
	f := authres.Field{ID: cmp.Or(r.Envelope.Receiver, "localhost")}
	if r.IPRev.Result != "" {
		f.Results = append(f.Results, r.IPRev.result())
	}
	f.Results = append(f.Results, r.spfResults()...)
	f.Results = append(f.Results, dkimResults(r.DKIM)...)
	f.Results = append(f.Results, r.dmarcResult())
	if r.ARC.Result != arc.None {
		f.Results = append(f.Results, arcResult(r.ARC))
	}
	return f
}

// arcResult is RFC 8617 section 4.4, with the number of sets for people.
func arcResult(c arc.Chain) authres.Result {
	return authres.Result{Method: "arc", Value: c.Result.String(), Reason: c.Reason, Comment: fmt.Sprintf("i=%d", len(c.Sets))}
}

// result is RFC 8601 section 2.7.3.
func (v IPRev) result() authres.Result {
	out := authres.Result{Method: "iprev", Value: string(v.Result), Properties: []authres.Property{{Type: "policy", Name: "iprev", Value: v.IP.String()}}}
	if v.Result == IPRevPass {
		out.Comment = v.Name.Text()
	} else {
		out.Reason = v.Reason
	}
	return out
}

// spfResults is RFC 8601 section 2.7.2: a result for each identity that there was.
func (r Results) spfResults() []authres.Result {
	var out []authres.Result
	if sender := r.Envelope.ReversePath; !sender.IsZero() {
		out = append(out, spfResult(r.SPF.MailFrom, "mailfrom", sender.String()))
	}
	if r.Envelope.HELO != "" {
		out = append(out, spfResult(r.SPF.HELO, "helo", r.Envelope.HELO))
	}
	return out
}

func spfResult(e spf.Evaluation, property, value string) authres.Result {
	return authres.Result{Method: "spf", Value: string(cmp.Or(e.Result, spf.None)), Reason: e.Reason, Comment: e.Mechanism,
		Properties: []authres.Property{{Type: "smtp", Name: property, Value: value}}}
}

// dkimResults is RFC 8601 section 2.7.1, with the beginning of b= by which
// signatures of one domain are told apart (RFC 6008 section 3).
func dkimResults(signatures []dkim.Verification) []authres.Result {
	if len(signatures) == 0 {
		return []authres.Result{{Method: "dkim", Value: "none"}}
	}
	out := make([]authres.Result, len(signatures))
	for i, s := range signatures {
		out[i] = authres.Result{Method: "dkim", Value: s.Result.String(), Reason: s.Reason}
		p := &out[i].Properties
		for _, tag := range []struct{ name, value string }{
			{"d", s.Domain.String()}, {"s", s.Selector}, {"a", string(s.Algorithm)}, {"b", signatureBegin(s)},
		} {
			if tag.value != "" {
				*p = append(*p, authres.Property{Type: "header", Name: tag.name, Value: tag.value})
			}
		}
	}
	return out
}

// signatureBegin is the first eight characters of b=, without white space.
func signatureBegin(s dkim.Verification) string {
	const length = 8
	_, body, _ := strings.Cut(s.Field, ":")
	for tag := range strings.SplitSeq(body, ";") {
		name, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(name) == "b" {
			begin := make([]byte, 0, length)
			for i := 0; i < len(value) && len(begin) < length; i++ {
				if c := value[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
					begin = append(begin, c)
				}
			}
			return string(begin)
		}
	}
	return ""
}

// dmarcResult is RFC 9989 section 9.1.
func (r Results) dmarcResult() authres.Result {
	e := r.DMARC
	out := authres.Result{Method: "dmarc", Value: string(e.Result)}
	if !e.Author.IsZero() {
		out.Properties = append(out.Properties, authres.Property{Type: "header", Name: "from", Value: e.Author.String()})
	}
	if e.Applied != "" {
		out.Properties = append(out.Properties, authres.Property{Type: "policy", Name: "dmarc", Value: string(e.Applied)})
	}
	if e.Result != "pass" && e.Result != "none" && len(e.Reasons) > 0 {
		out.Reason = e.Reasons[len(e.Reasons)-1]
	}
	return out
}
