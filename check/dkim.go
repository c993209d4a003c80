package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/world"
)

func dkimChecks() []Check {
	return []Check{
		dkimKeys, dkimRecord, dkimRevoked, dkimSize, dkimEd25519, dkimFlags, dkimDomainKeys,
		dkimSignature, dkimAlignment, dkimAlgorithm, dkimSignedHeaders, dkimBodyLength, dkimTimes,
	}
}

var dkimKeys = rule{About{
	ID:       "dkim.keys",
	Question: "Does the domain publish a DKIM key?",
	Why: "Google, Yahoo, Microsoft and GMX want bulk mail signed by the domain, and a signature is what survives forwarding. " +
		"A selector without its key makes every signature fail.",
	Fix: "Make a key (RSA with 2048 bits), publish its record at <selector>._domainkey.<domain>, and have the server sign with it. " +
		"Nobody can list your selectors: name yours with --selector.",
	Refs:      []string{"RFC 6376 3.6", "RFC 8301"},
	Rows:      []string{"DKIM-01"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo", "outlook", "apple", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"found", finding.Green, "at least one key is published"},
		{"missing", finding.Red, "the named selector has no record"},
		{"none", finding.Red, "nothing stands below _domainkey: the domain has no key at all"},
		{"sends-nothing", finding.Skip, "the domain sends no mail, and says so"},
		{"unguessed", finding.Unknown, "none of the usual selectors holds a key in force; the domain may use another"},
	},
}, judgeKeys}

func judgeKeys(ctx context.Context, s *Subject) []finding.Finding {
	known := s.Selectors(ctx)
	switch named := len(s.Options.Selectors) > 0; {
	case known.Err != nil:
		return one(unseen(s.String(), known.Err))
	case known.InForce() == 0 && !named:
		return one(s.judgeKeyless(ctx, known))
	}
	var found []finding.Finding
	for _, sel := range known.Found {
		found = append(found, judgeKey(s, sel))
	}
	return found
}

// judgeKeyless judges a domain of which no key in force is known. An old revoked key
// at a usual selector says nothing about the selector in use.
func (s *Subject) judgeKeyless(ctx context.Context, known Selectors) finding.Finding {
	f := finding.Finding{Subject: s.String()}
	nothing, err := s.sendsNothing(ctx)
	switch {
	case nothing:
		f.Code, f.Summary = "sends-nothing", s.String()+" sends no mail: so nothing needs a key"
	case err != nil: // a domain that sends nothing needs no key
		return unseen(s.String(), err)
	case known.Denied != nil:
		f.Code, f.Summary = "none", s.String()+" has no DKIM key: nothing stands below _domainkey"
		f.Evidence = []string{evidenceOf(known.Denied)}
	case known.Unseen != nil:
		return unseen(s.String(), known.Unseen)
	default:
		f.Code = "unguessed"
		f.Summary = fmt.Sprintf("none of %d usual selectors holds a key at %s; it may use another", known.Guessed, s)
		if n := len(known.Found); n > 0 {
			f.Summary = fmt.Sprintf("the %d %s found at %s are revoked; it may use another selector", n, plural(n, "key"), s)
		}
		f.Fix = "Name the selector with --selector, or check a message: allgreen check - < message.eml"
	}
	return f
}

func judgeKey(s *Subject, sel Selector) finding.Finding {
	f := finding.Finding{Subject: sel.Name, Code: "found", Summary: fmt.Sprintf("%s has a key at selector %s", s, sel.Name)}
	switch {
	case sel.Err != nil && isAbsence(sel.Err):
		f.Code, f.Summary = "missing", fmt.Sprintf("selector %s of %s has no record", sel.Name, s)
		f.Evidence = []string{evidenceOf(sel.Err)}
	case sel.Err != nil:
		return unseen(sel.Name, sel.Err)
	}
	return f
}

// eachKey judges each key record of the domain; a revoked one only where asked.
func eachKey(revoked bool, judge func(sel Selector, k *dkim.Key, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		var found []finding.Finding
		for _, sel := range s.Selectors(ctx).Found {
			if sel.Err != nil || len(sel.Lookup.Keys) == 0 {
				continue
			}
			k := sel.Lookup.Keys[0]
			if k.Revoked && !revoked {
				continue
			}
			f := judge(sel, k, finding.Finding{Subject: sel.Name})
			if f.Code == "" {
				continue
			}
			if f.Evidence == nil {
				f.Evidence = keyEvidence(sel)
			}
			found = append(found, f)
		}
		return found
	}
}

func keyEvidence(sel Selector) []string {
	var lines []string
	for _, t := range sel.Lookup.Texts {
		lines = append(lines, fmt.Sprintf("%s TXT: %.200q", sel.Lookup.Name, t.Text))
	}
	return lines
}

var dkimRecord = rule{About{
	ID:        "dkim.record",
	Question:  "Is each DKIM key record one well-formed TXT record?",
	Why:       "A key that was cut off while pasting, or a second record at the same name, makes signatures fail at some receivers or at all.",
	Fix:       "Publish the record again as the signing software prints it, in strings of at most 255 octets.",
	Refs:      []string{"RFC 6376 3.6.1", "RFC 6376 3.6.2.2"},
	Rows:      []string{"DKIM-02"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dkim.keys"},
	Codes: []Code{
		{"right", finding.Green, "one well-formed record"},
		{"broken", finding.Red, "the record cannot be used"},
		{"several", finding.Red, "more than one record at the selector"},
		{"odd", finding.Yellow, "the record works and has something wrong"},
	},
}, eachKey(true, func(sel Selector, k *dkim.Key, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", "the record of selector "+sel.Name+" is well formed"
	var texts []string
	for _, p := range k.Problems {
		if p.Tag != "p" || p.Fatal { // its size and its revocation are judged elsewhere
			texts = append(texts, p.String())
		}
	}
	switch {
	case len(sel.Lookup.Texts) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("selector %s has %d records", sel.Name, len(sel.Lookup.Texts))
	case len(sel.Lookup.Usable()) == 0:
		f.Code, f.Summary = "broken", fmt.Sprintf("the key of selector %s cannot be used: %s", sel.Name, strings.Join(texts, "; "))
	case len(texts) > 0:
		f.Code, f.Summary = "odd", fmt.Sprintf("the record of selector %s: %s", sel.Name, strings.Join(texts, "; "))
	}
	return f
})}

var dkimRevoked = rule{About{
	ID:        "dkim.revoked",
	Question:  "Is a named selector still in force?",
	Why:       "An empty p= revokes the key: every signature made with it fails. That is right for a retired selector, and wrong for one in use.",
	Fix:       "Publish the key again, or let the server sign with the new selector.",
	Refs:      []string{"RFC 6376 3.6.1"},
	Rows:      []string{"DKIM-03"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo", "outlook"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dkim.keys"},
	Codes: []Code{
		{"in-force", finding.Green, "the key is in force"},
		{"revoked", finding.Red, "the named selector is revoked"},
		{"retired", finding.Skip, "a selector that was found is revoked, as retired ones should be"},
	},
}, eachKey(true, func(sel Selector, k *dkim.Key, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "in-force", "the key of selector "+sel.Name+" is in force"
	if k.Revoked && sel.Named {
		f.Code, f.Summary = "revoked", "the key of selector "+sel.Name+" is revoked"
	} else if k.Revoked {
		f.Code, f.Summary = "retired", "selector "+sel.Name+" is retired"
	}
	return f
})}

// Sizes of RSA keys: below the first nobody verifies, below the second it is time
// to change, above the third the record no longer fits everywhere.
const (
	leastRSA  = 1024
	properRSA = 2048
)

var dkimSize = rule{About{
	ID:        "dkim.size",
	Question:  "Is each RSA key strong enough?",
	Why:       "Verifiers must refuse keys under 1024 bits, and 1024 can be broken by who really wants to. 2048 is what everybody asks for.",
	Fix:       "Make a new key of 2048 bits under a new selector, publish it, switch the signing, and revoke the old one a week later.",
	Refs:      []string{"RFC 8301 3.2"},
	Rows:      []string{"DKIM-04"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "yahoo"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dkim.keys"},
	Codes: []Code{
		{"strong", finding.Green, "RSA with 2048 bits or more, or Ed25519"},
		{"weak", finding.Yellow, "RSA with less than 2048 bits"},
		{"broken", finding.Red, "RSA with less than 1024 bits: signatures count for nothing"},
	},
}, eachKey(false, func(sel Selector, k *dkim.Key, f finding.Finding) finding.Finding {
	f.Summary = fmt.Sprintf("selector %s has an %s key of %d bits", sel.Name, strings.ToUpper(k.Type), k.Bits)
	switch {
	case k.Public == nil:
		return finding.Finding{}
	case k.Type != "rsa" || k.Bits >= properRSA:
		f.Code = "strong"
	case k.Bits >= leastRSA:
		f.Code = "weak"
	default:
		f.Code = "broken"
	}
	return f
})}

var dkimEd25519 = rule{About{
	ID:        "dkim.ed25519",
	Question:  "Does an Ed25519 key stand beside an RSA key?",
	Why:       "Google, Microsoft and others do not verify Ed25519 signatures yet. Alone they leave the mail unsigned for them.",
	Fix:       "Sign with both: RSA with 2048 bits, and Ed25519 for those who can.",
	Refs:      []string{"RFC 8463 3"},
	Rows:      []string{"DKIM-05"},
	Practices: []string{"A3"},
	Affects:   []string{"google", "outlook", "yahoo"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"dkim.keys"},
	Codes: []Code{
		{"beside-rsa", finding.Green, "Ed25519 and RSA keys"},
		{"rsa-only", finding.Green, "RSA keys only"},
		{"alone", finding.Yellow, "no RSA key was found"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	types := map[string]bool{}
	known := s.Selectors(ctx)
	lost := known.Unseen
	for _, sel := range known.Found {
		if sel.Err != nil && !isAbsence(sel.Err) {
			lost = sel.Err
		} else if sel.Err == nil {
			for _, k := range sel.Lookup.Usable() {
				types[k.Type] = types[k.Type] || !k.Revoked
			}
		}
	}
	f := finding.Finding{Subject: s.String()}
	switch {
	case types["rsa"] && types["ed25519"]:
		f.Code, f.Summary = "beside-rsa", "RSA and Ed25519 keys are published"
	case types["rsa"]:
		f.Code, f.Summary = "rsa-only", "RSA keys are published"
	case types["ed25519"] && lost != nil: // an RSA key may stand there
		return one(unseen(s.String(), lost))
	case types["ed25519"]:
		f.Code, f.Summary = "alone", "only Ed25519 keys were found"
		for _, sel := range known.Found {
			f.Evidence = append(f.Evidence, keyEvidence(sel)...)
		}
	default:
		return nil
	}
	return one(f)
}}

var dkimFlags = rule{About{
	ID:        "dkim.flags",
	Question:  "Do the flags of each key let it be used?",
	Why:       "t=y tells receivers to treat signed mail as unsigned; s= and h= can forbid mail or SHA-256 altogether.",
	Fix:       "Remove t=y when the signing works; leave s= and h= away.",
	Refs:      []string{"RFC 6376 3.6.1"},
	Rows:      []string{"DKIM-06"},
	Practices: []string{"A3"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dkim.keys"},
	Codes: []Code{
		{"free", finding.Green, "no flag is in the way"},
		{"testing", finding.Yellow, "t=y: the key is said to be on trial"},
		{"not-for-mail", finding.Yellow, "s= does not allow mail"},
		{"no-sha256", finding.Yellow, "h= does not allow SHA-256"},
	},
}, eachKey(false, func(sel Selector, k *dkim.Key, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "free", "no flag of selector "+sel.Name+" is in the way"
	switch {
	case k.Testing:
		f.Code, f.Summary = "testing", "the key of selector "+sel.Name+" is on trial: t=y"
	case !k.ServesMail():
		f.Code, f.Summary = "not-for-mail", "the key of selector "+sel.Name+" is not for mail"
	case k.Hashes != nil && !contains(k.Hashes, "sha256"):
		f.Code, f.Summary = "no-sha256", "the key of selector "+sel.Name+" does not allow SHA-256"
	}
	return f
})}

func contains(words []string, want string) bool {
	for _, w := range words {
		if strings.EqualFold(w, want) {
			return true
		}
	}
	return false
}

var dkimDomainKeys = rule{About{
	ID:        "dkim.domainkeys",
	Question:  "Are there no leftovers of DomainKeys?",
	Why:       "DomainKeys was replaced by DKIM in 2007. Its policy record does nothing today, and shows that nobody looks after the zone.",
	Fix:       "Remove the TXT record at _domainkey.",
	Refs:      []string{"RFC 4870", "RFC 5585"},
	Rows:      []string{"DKIM-06"},
	Practices: []string{"A7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"clean", finding.Green, "no DomainKeys policy record"},
		{"leftover", finding.Yellow, "a DomainKeys policy record is left over"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	name := world.NameOf(s.Domain()).Under("_domainkey")
	texts, _, err := world.LookupTXT(ctx, s.World, name)
	if err != nil && !isAbsence(err) {
		return one(unseen(s.String(), err))
	}
	for _, t := range texts {
		if strings.Contains(t.Text, "o=~") || strings.Contains(t.Text, "o=-") || strings.HasPrefix(t.Text, "t=y") {
			return one(finding.Finding{Code: "leftover", Subject: s.String(), Summary: "a DomainKeys policy is left over at " + name.Text(),
				Evidence: []string{fmt.Sprintf("%s TXT: %q", name, t.Text)}})
		}
	}
	return one(finding.Finding{Code: "clean", Subject: s.String(), Summary: "no DomainKeys policy is left over"})
}}
