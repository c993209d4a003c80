package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

func submissionChecks() []Check {
	return []Check{submissionOffered, submissionLogin, submissionCertificate}
}

func accessChecks() []Check {
	return []Check{accessOffered, accessLogin, accessCertificate, accessNames}
}

// The services of both families, those with TLS first.
var (
	submissionKinds = []string{"submissions", "submission"}
	accessKinds     = []string{"imaps", "imap", "pop3s", "pop3"}
)

var offeredCodes = []Code{
	{"answers", finding.Green, "the announced service answers"},
	{"dead", finding.Yellow, "an announced service does not answer"},
	{"not-announced", finding.Skip, "the domain announces no such service by SRV records"},
}

var loginCodes = []Code{
	{"after-tls", finding.Green, "passwords are asked for under TLS only"},
	{"clear", finding.Red, "a login is offered without TLS"},
	{"no-tls", finding.Red, "no TLS at all"},
	{"no-login", finding.Yellow, "no login is offered even under TLS"},
	{"broken-off", finding.Unknown, "the conversation broke off before this could be seen"},
}

var certificateCodes = []Code{
	{"valid", finding.Green, "the certificate is valid for the announced name"},
	{"invalid", finding.Red, "mail programs refuse the certificate, or ask their users"},
}

var submissionOffered = rule{About{
	ID:        "submission.offered",
	Question:  "Do the announced submission services answer?",
	Why:       "Mail programs find the outgoing server by these records; people whose program fails here send through another server, past SPF and DKIM.",
	Fix:       "Start the service on 465 and 587, or take its SRV record away.",
	Refs:      []string{"RFC 6409", "RFC 8314", "RFC 6186"},
	Rows:      []string{"SMTP-07"},
	Practices: []string{"R3"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     offeredCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeOffered(ctx, submissionKinds) }}

var submissionLogin = rule{About{
	ID:        "submission.login",
	Question:  "Are passwords for sending asked for under TLS only?",
	Why:       "A password sent in the clear is read on the way, and a stolen account gets the server listed within an hour.",
	Fix:       "Offer AUTH only after STARTTLS on 587 (smtpd_tls_auth_only in Postfix), and prefer 465.",
	Refs:      []string{"RFC 8314 3.3", "RFC 4954 4"},
	Rows:      []string{"SMTP-07"},
	Practices: []string{"R3"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     loginCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeLogins(ctx, submissionKinds) }}

var submissionCertificate = rule{About{
	ID:        "submission.certificate",
	Question:  "Is the certificate of the submission service valid for its name?",
	Why:       "Mail programs verify it, unlike servers: a wrong one stops people from sending, or teaches them to click warnings away.",
	Fix:       "Use a certificate for exactly the announced name, with its whole chain, and renew it in time.",
	Refs:      []string{"RFC 8314 4.1", "RFC 9525"},
	Rows:      []string{"SMTP-07"},
	Practices: []string{"A8"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     certificateCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return s.judgeCertificates(ctx, submissionKinds)
}}

var accessOffered = rule{About{
	ID:        "access.offered",
	Question:  "Do the announced IMAP and POP3 services answer?",
	Why:       "Mail programs set themselves up from these records; a dead one is a support call.",
	Fix:       "Start the service, or take its SRV record away.",
	Refs:      []string{"RFC 6186", "RFC 8314"},
	Practices: []string{"M1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     offeredCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeOffered(ctx, accessKinds) }}

var accessLogin = rule{About{
	ID:        "access.login",
	Question:  "Are passwords for reading asked for under TLS only?",
	Why:       "A mailbox password sent in the clear is read on the way, and opens more than the mailbox.",
	Fix:       "Set LOGINDISABLED before STARTTLS (disable_plaintext_auth in Dovecot), and prefer 993 and 995.",
	Refs:      []string{"RFC 9051 11.1", "RFC 8314 3.2"},
	Practices: []string{"M1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     loginCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeLogins(ctx, accessKinds) }}

var accessCertificate = rule{About{
	ID:        "access.certificate",
	Question:  "Is the certificate of IMAP and POP3 valid for its name?",
	Why:       "Mail programs verify it: a wrong one keeps people from their mail, or teaches them to click warnings away.",
	Fix:       "Use a certificate for exactly the announced name, with its whole chain, and renew it in time.",
	Refs:      []string{"RFC 8314 4.1", "RFC 9525"},
	Practices: []string{"M1", "A8"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes:     certificateCodes,
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeCertificates(ctx, accessKinds) }}

var accessNames = rule{About{
	ID:        "access.names",
	Question:  "Does SMTP have a name of its own, apart from IMAP and POP3?",
	Why:       "With names apart, the mailboxes can move to another machine without a new PTR record, and a busy web or IMAP address does not share the reputation of the mail.",
	Fix:       "Give IMAP its own name, such as imap.example.com, even if it is the same machine today.",
	Refs:      []string{"RFC 6186"},
	Practices: []string{"D6"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"apart", finding.Green, "the services have names of their own"},
		{"shared", finding.Skip, "SMTP shares its name with another service; worth knowing"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String(), Code: "apart", Summary: "SMTP and the mailboxes have names of their own"}
	known := s.Services(ctx, accessKinds...)
	if len(known.Found) == 0 {
		return nil
	}
	for _, service := range known.Found {
		for _, v := range s.Servers(ctx) {
			if v.Name == service.Host {
				f.Code, f.Summary = "shared", fmt.Sprintf("%s is the name of SMTP and of %s", v.Name, service.Kind)
			}
		}
	}
	if known.Err != nil && f.Code == "apart" {
		return one(unseen(s.String(), known.Err))
	}
	return one(f)
}}

func (s *Subject) judgeOffered(ctx context.Context, kinds []string) []finding.Finding {
	known := s.Services(ctx, kinds...)
	if len(known.Found) == 0 && known.Err == nil {
		return one(finding.Finding{Code: "not-announced", Subject: s.String(),
			Summary: fmt.Sprintf("%s announces no %s by SRV records", s, strings.Join(kinds, ", "))})
	}
	var found []finding.Finding
	for _, v := range s.VisitServices(ctx, known.Found) {
		f := finding.Finding{Subject: v.String(), Code: "answers", Summary: v.String() + " answers"}
		switch {
		case v.Unreached == nil:
		case isAbsence(v.Unreached), isRefused(v.Unreached):
			f.Code, f.Summary = "dead", fmt.Sprintf("%s does not answer (%s)", v, v.Unreached)
			f.Evidence = []string{evidenceOf(v.Unreached)}
		default:
			f = unseen(v.String(), v.Unreached)
		}
		found = append(found, f)
	}
	if known.Err != nil {
		found = append(found, unseen(s.String(), known.Err))
	}
	return found
}

// eachService judges each announced service that answers.
func (s *Subject) eachService(ctx context.Context, kinds []string, judge func(*ServiceVisit) finding.Finding) []finding.Finding {
	var found []finding.Finding
	for _, v := range s.VisitServices(ctx, s.Services(ctx, kinds...).Found) {
		if v.Unreached != nil {
			continue
		}
		if f := judge(v); f.Code != "" {
			f.Subject = v.String()
			found = append(found, f)
		}
	}
	return found
}

func (s *Subject) judgeLogins(ctx context.Context, kinds []string) []finding.Finding {
	return s.eachService(ctx, kinds, func(v *ServiceVisit) finding.Finding {
		switch {
		case len(v.ClearAuth) > 0:
			return finding.Finding{Code: "clear", Summary: v.String() + " offers a login without TLS",
				Evidence: []string{"offered in the clear: " + strings.Join(v.ClearAuth, " ")}}
		case v.Ended != nil:
			return finding.Finding{Code: "broken-off", Summary: fmt.Sprintf("%s broke off: %s", v, v.Ended)}
		case v.State == nil:
			return finding.Finding{Code: "no-tls", Summary: v.String() + " offers no TLS"}
		case len(v.SecureAuth) == 0:
			return finding.Finding{Code: "no-login", Summary: v.String() + " offers no login"}
		}
		return finding.Finding{Code: "after-tls", Summary: v.String() + " asks for passwords under TLS only"}
	})
}

func (s *Subject) judgeCertificates(ctx context.Context, kinds []string) []finding.Finding {
	return s.eachService(ctx, kinds, func(v *ServiceVisit) finding.Finding {
		switch {
		case v.State == nil:
			return finding.Finding{} // judged as a login without TLS
		case v.Trust != nil:
			return finding.Finding{Code: "invalid", Summary: fmt.Sprintf("mail programs refuse the certificate of %s: %s", v, v.Trust)}
		}
		return finding.Finding{Code: "valid", Summary: "the certificate of " + v.String() + " is valid"}
	})
}
