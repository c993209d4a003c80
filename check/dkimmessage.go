package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
)

// maxSignatures is how many signatures of a message are judged: the verifier
// counts those beyond as none.
const maxSignatures = 8

// signatureName is a signature as reports name it.
func signatureName(v dkim.Verification) string { return fmt.Sprintf("%s of %s", v.Selector, v.Domain) }

// ofSignatures judges the signatures that the verifier looked at; without any there
// is nothing to judge, as dkim.signature says.
func ofSignatures(judge func(ctx context.Context, s *Subject, all []dkim.Verification, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		all := s.Authentication(ctx).DKIM
		if len(all) == 0 {
			return nil
		}
		f := judge(ctx, s, all[:min(len(all), maxSignatures)], finding.Finding{Subject: s.String()})
		if f.Code == "" {
			return nil
		}
		return one(f)
	}
}

// passing are the signatures that verify.
func passing(all []dkim.Verification) []dkim.Verification {
	return slices.DeleteFunc(slices.Clone(all), func(v dkim.Verification) bool { return v.Result != dkim.Pass })
}

// openSignature is a signature whose key could not be asked for; nil when all were
// judged.
func openSignature(all []dkim.Verification) *dkim.Verification {
	i := slices.IndexFunc(all, func(v dkim.Verification) bool { return v.Result == dkim.TempError })
	if i < 0 {
		return nil
	}
	return &all[i]
}

var dkimSignature = rule{About{
	ID:       "dkim.signature",
	Question: "Does a signature of the message verify?",
	Why: "Google, Yahoo, Microsoft and GMX want mail signed, and a signature that fails counts as none. It is what survives forwarding and what " +
		"the reputation of the domain hangs on.",
	Fix: "Sign with DKIM as the last step, after everything that changes the message; publish the key under the selector in use; do not let " +
		"gateways rewrite signed mail.",
	Refs:      []string{"RFC 6376 6.1", "RFC 8301", "RFC 8601 2.7.1"},
	Rows:      []string{"DKIM-10", "OUT-AUTH"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo", "outlook", "apple", "gmx"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"valid", finding.Green, "the signature verifies"},
		{"none", finding.Red, "the message is not signed"},
		{"broken", finding.Red, "no signature verifies"},
		{"broken-beside", finding.Yellow, "the signature does not verify; another does, or may"},
		{"too-many", finding.Yellow, "more signatures than verifiers look at"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	all := s.Authentication(ctx).DKIM
	if len(all) == 0 {
		return one(finding.Finding{Code: "none", Subject: s.String(), Summary: "the message has no DKIM signature"})
	}
	judged := all[:min(len(all), maxSignatures)]
	var found []finding.Finding
	for _, v := range judged {
		found = append(found, judgeSignature(v, len(passing(judged)) > 0 || openSignature(judged) != nil))
	}
	if len(all) > maxSignatures {
		found = append(found, finding.Finding{Code: "too-many", Subject: s.String(),
			Summary: fmt.Sprintf("the message has %d signatures; only the first %d are looked at", len(all), maxSignatures)})
	}
	return found
}}

func judgeSignature(v dkim.Verification, anotherMay bool) finding.Finding {
	f := finding.Finding{Subject: signatureName(v), Code: "valid",
		Summary: fmt.Sprintf("the signature %s verifies (%s, %s)", signatureName(v), v.Algorithm, v.Canonicalization)}
	switch {
	case v.Result == dkim.Pass:
		return f
	case v.Result == dkim.TempError:
		return unanswered(f.Subject, "the key of signature "+f.Subject, v.Reason)
	case anotherMay:
		f.Code = "broken-beside"
	default:
		f.Code = "broken"
	}
	f.Summary = fmt.Sprintf("the signature %s does not verify: %s", f.Subject, v.Reason)
	f.Evidence = []string{fmt.Sprintf("%.400q", strings.Join(strings.Fields(v.Field), " "))}
	name, err := dkim.KeyName(v.Domain, v.Selector)
	switch {
	case err != nil:
	case v.Result == dkim.Fail:
		f.Fix = "Sign last: something changed the message behind the signature. Footers, virus scanners, gateways and wrapped lines are the usual causes."
	case v.Key == nil || v.Key.Public == nil:
		f.Fix = fmt.Sprintf("Publish the public key of selector %s as TXT at %s, or sign with a selector whose key is there.", v.Selector, name)
	}
	return f
}

var dkimAlgorithm = rule{About{
	ID:        "dkim.algorithm",
	Question:  "Is the message signed with SHA-256?",
	Why:       "rsa-sha1 has been forbidden since 2018: a signature with it is no signature.",
	Fix:       "Set the signing algorithm to rsa-sha256, with ed25519-sha256 beside it where the software can.",
	Refs:      []string{"RFC 8301 3.1", "RFC 8463"},
	Rows:      []string{"DKIM-07"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo", "outlook"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"sha256", finding.Green, "rsa-sha256 or ed25519-sha256"},
		{"sha1", finding.Red, "rsa-sha1"},
		{"unknown", finding.Red, "an algorithm that nobody defined"},
	},
}, ofSignatures(func(_ context.Context, _ *Subject, all []dkim.Verification, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "sha256", "the message is signed with SHA-256"
	for _, v := range all {
		switch v.Signature.Algorithm {
		case dkim.RSASHA256, dkim.Ed25519SHA256:
		case dkim.RSASHA1:
			f.Code, f.Summary = "sha1", fmt.Sprintf("the signature %s is made with rsa-sha1", signatureName(v))
			return f
		default:
			f.Code, f.Summary = "unknown", fmt.Sprintf("the signature %s says a=%.40q", signatureName(v), v.Signature.Algorithm)
		}
	}
	return f
})}

// signedFields are the fields that a signature should cover where they are there
// (RFC 6376 section 5.4.1; RFC 8058 section 4 for those of unsubscription, which
// message.unsubscribe-signed judges).
var signedFields = []string{
	"From", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

var dkimSignedHeaders = rule{About{
	ID:       "dkim.signed-headers",
	Question: "Does a signature cover what people read?",
	Why: "What is not signed can be exchanged: a new Subject or To on your signed message, sent to millions, is a replay attack in your name. " +
		"From named twice in h= keeps a second From from being added.",
	Fix:       "Sign From (twice), Reply-To, Subject, Date, To, Cc, Message-ID, MIME-Version and Content-Type (OversignHeaders in OpenDKIM).",
	Refs:      []string{"RFC 6376 5.4.1", "RFC 6376 8.15"},
	Rows:      []string{"DKIM-08"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"complete", finding.Green, "everything a person reads is signed"},
		{"partial", finding.Yellow, "fields that a person reads are not signed"},
		{"from-once", finding.Yellow, "a second From could be added"},
	},
}, ofSignatures(func(ctx context.Context, s *Subject, all []dkim.Verification, f finding.Finding) finding.Finding {
	m := s.Message(ctx)
	for i, v := range passing(all) {
		if judged := judgeSigned(v, m.Header); i == 0 || judged.Code == "complete" {
			f = judged
		}
	}
	return f
})}

func judgeSigned(v dkim.Verification, h message.Header) finding.Finding {
	f := finding.Finding{Subject: signatureName(v), Evidence: []string{fmt.Sprintf("h=%.300s", strings.Join(v.Signed, ":"))}}
	var missing []string
	for _, name := range signedFields {
		if h.Has(name) && !v.Signature.Signs(name) {
			missing = append(missing, name)
		}
	}
	froms := 0
	for _, name := range v.Signed {
		if strings.EqualFold(strings.TrimSpace(name), "From") {
			froms++
		}
	}
	switch {
	case len(missing) > 0:
		f.Code, f.Summary = "partial", fmt.Sprintf("the signature %s does not cover %s", f.Subject, strings.Join(missing, ", "))
		f.Fix = fmt.Sprintf("Add %s to the signed headers.", strings.Join(missing, ", "))
	case froms <= h.Count("From"):
		f.Code, f.Summary = "from-once", fmt.Sprintf("the signature %s names From once: another could be added", f.Subject)
		f.Fix = "Name From once more in h= than the message has it (OversignHeaders From in OpenDKIM)."
	default:
		f.Code, f.Summary, f.Evidence = "complete", fmt.Sprintf("the signature %s covers everything a person reads", f.Subject), nil
	}
	return f
}

var dkimBodyLength = rule{About{
	ID:        "dkim.body-length",
	Question:  "Do the signatures cover the whole body?",
	Why:       "l= lets anybody append to a signed message: with the right MIME structure the appended text is all that people see, and it is in your name.",
	Fix:       "Turn off the body length limit (BodyLengths in OpenDKIM).",
	Refs:      []string{"RFC 6376 3.5", "RFC 6376 8.2"},
	Rows:      []string{"DKIM-09"},
	Practices: []string{"A3"},
	Affects:   []string{"google"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"whole", finding.Green, "no signature has l="},
		{"limited", finding.Red, "a signature has l="},
	},
}, ofSignatures(func(_ context.Context, _ *Subject, all []dkim.Verification, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "whole", "the signatures cover the whole body"
	for _, v := range all {
		if v.BodyLimited || v.Signature.Length >= 0 {
			f.Code, f.Summary = "limited", fmt.Sprintf("the signature %s covers %d octets of the body only", signatureName(v), v.Signature.Length)
		}
	}
	return f
})}

var dkimAlignment = rule{About{
	ID:        "dkim.alignment",
	Question:  "Is the message signed by the domain of From?",
	Why:       "A valid signature of another domain says nothing about From: DMARC does not count it, and the reputation goes to the other domain.",
	Fix:       "Sign with d= at the domain of From or one above it; sending services offer that as custom DKIM.",
	Refs:      []string{"RFC 9989 4.4.1", "RFC 6376 2.5"},
	Rows:      []string{"DKIM-11"},
	Practices: []string{"A3", "D10"},
	Affects:   []string{"google", "yahoo", "outlook"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     []string{"message.form", "message.from"},
	Codes: []Code{
		{"aligned", finding.Green, "a valid signature belongs to the domain of From"},
		{"not-aligned", finding.Yellow, "only SPF speaks for the domain of From"},
		{"nothing", finding.Red, "neither signature nor SPF speaks for the domain of From"},
		{"spf-unknown", finding.Yellow, "no valid signature belongs to the domain of From; SPF could not be seen"},
	},
}, ofSignatures(func(ctx context.Context, s *Subject, all []dkim.Verification, f finding.Finding) finding.Finding {
	r := s.Authentication(ctx)
	d := r.DMARC
	if len(passing(all)) == 0 || d.Discovery.Record == nil {
		return finding.Finding{} // dkim.signature and dmarc.message have said it
	}
	f.Subject = s.authorDomain(ctx).String()
	f.Evidence, f.Fix = d.Reasons, "Sign with d="+f.Subject+"."
	switch {
	case d.DKIMAligned:
		f.Code, f.Summary, f.Evidence = "aligned", "a valid signature belongs to "+f.Subject, nil
		f.Fix = ""
	case d.Err != nil:
		return unseen(f.Subject, d.Err)
	case openMethod(r, "dkim") != "":
		return unanswered(f.Subject, "the alignment of a signature", openMethod(r, "dkim"))
	case d.SPFAligned:
		f.Code, f.Summary = "not-aligned", "no valid signature belongs to "+f.Subject+"; only SPF does"
	case !s.Handover(ctx).KnowsEnvelope():
		f.Code, f.Summary = "spf-unknown", "no valid signature belongs to "+f.Subject
	case openMethod(r, "spf") != "":
		return unanswered(f.Subject, "SPF", openMethod(r, "spf"))
	default:
		f.Code, f.Summary = "nothing", "neither a valid signature nor SPF belongs to "+f.Subject
	}
	return f
})}

// Bounds of the times in signatures: what clocks may differ, and how long mail may
// wait in a queue.
const (
	clockSlack   = 15 * time.Minute
	leastExpires = 24 * time.Hour
)

var dkimTimes = rule{About{
	ID:        "dkim.times",
	Question:  "Are the times in the signatures sane?",
	Why:       "A signature from the future, or one that expires while the message still waits in a queue, is taken for broken by some receivers.",
	Fix:       "Set the clock (NTP), and let x= lie at least some days behind t=, or leave it away.",
	Refs:      []string{"RFC 6376 3.5"},
	Rows:      []string{"DKIM-13"},
	Practices: []string{"A3"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"sane", finding.Green, "t= and x= are sane, or not there"},
		{"future", finding.Yellow, "t= lies in the future"},
		{"expired", finding.Yellow, "x= has passed"},
		{"short", finding.Yellow, "x= lies less than a day behind t="},
		{"reversed", finding.Yellow, "x= lies before t="},
	},
}, ofSignatures(func(_ context.Context, s *Subject, all []dkim.Verification, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "sane", "the times in the signatures are sane"
	now := s.World.Now()
	for _, v := range all {
		t, x := v.Signature.Time, v.Signature.Expires
		name := signatureName(v)
		switch {
		case !t.IsZero() && t.After(now.Add(clockSlack)):
			f.Code, f.Summary = "future", fmt.Sprintf("the signature %s is of %s, in the future", name, t.UTC().Format(time.RFC3339))
		case x.IsZero():
		case !t.IsZero() && x.Before(t):
			f.Code, f.Summary = "reversed", fmt.Sprintf("the signature %s expires before it was made", name)
		case x.Before(now):
			f.Code, f.Summary = "expired", fmt.Sprintf("the signature %s expired at %s", name, x.UTC().Format(time.RFC3339))
		case !t.IsZero() && x.Sub(t) < leastExpires:
			f.Code, f.Summary = "short", fmt.Sprintf("the signature %s expires %s after it was made", name, x.Sub(t))
		}
	}
	return f
})}
