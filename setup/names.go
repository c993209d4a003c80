package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// nameAll is the second stage: the configuration, a server with its keys, and somebody
// who reads the mail.
func (s *Setup) nameAll(ctx context.Context) (Outcome, error) {
	out := green()
	settings, err := s.configure(ctx, &out)
	if err != nil || out.Stop {
		return out, err
	}
	s.Desk.Wait("starting the server")
	if err := s.House.Serve(ctx); err != nil {
		return out, err
	}
	if err := s.State.Save(); err != nil { // the data folder is there now
		return out, err
	}
	if err := s.makeAccount(ctx, settings, &out); err != nil {
		return out, err
	}
	records, err := s.House.Records(ctx, s.Domain)
	if err != nil {
		return out, err
	}
	out.note(finding.Green, "mail of "+s.Domain.String()+" is signed with "+strings.Join(selectorsIn(records), " and "), "")
	if settings.ACME {
		out.info("certificates come from the authority by themselves, once the names below lead here", "")
	}
	out.Line = fmt.Sprintf("%s serves %s", settings.Hostname, s.Domain)
	return out, nil
}

// configure makes sure that there is a configuration, and that it names the domain.
func (s *Setup) configure(ctx context.Context, out *Outcome) (Settings, error) {
	settings, err := s.House.Settings()
	switch {
	case errors.Is(err, ErrNoConfiguration):
		if err := s.writeConfiguration(ctx, out); err != nil || out.Stop {
			return settings, err
		}
	case err != nil:
		return settings, err
	case !slices.Contains(settings.Domains, s.Domain):
		if err := s.House.AddDomain(ctx, s.Domain); err != nil {
			return settings, err
		}
		out.Changed = true
		out.note(finding.Green, fmt.Sprintf("%s stands in %s now", s.Domain, s.House.Path()), "")
	default:
		s.compareConfiguration(settings, out)
	}
	return s.House.Settings()
}

// compareConfiguration says what a configuration lacks that is there already: it belongs
// to a person, and is not changed.
func (s *Setup) compareConfiguration(settings Settings, out *Outcome) {
	out.note(finding.Green, s.House.Path()+" is there, and stays as it is", "")
	var lines []string
	for _, ip := range s.machine.addresses {
		if !slices.Contains(settings.Addresses, ip) {
			lines = append(lines, fmt.Sprintf("addresses = [%s]", quoted(s.machine.addresses)))
			break
		}
	}
	if name := s.Answers.Hostname; !name.IsZero() && name != settings.Hostname {
		lines = append(lines, fmt.Sprintf("hostname = %q", name))
	}
	if admin := s.Answers.Admin; !admin.IsZero() && admin.Domain == settings.Admin.Domain && admin != settings.Admin {
		lines = append(lines, fmt.Sprintf("admin = %q", admin))
	}
	if len(lines) > 0 {
		out.note(finding.Yellow, "it says something else than was found or asked for", "to follow that, write into it:", lines...)
	}
}

// writeConfiguration asks for what is not known, and writes the first one.
func (s *Setup) writeConfiguration(ctx context.Context, out *Outcome) error {
	hostname, err := s.askHostname(ctx)
	if err != nil {
		return err
	}
	if s.leadsElsewhere(ctx, hostname) {
		out.stop(hostname.String()+" leads to another machine today", "give this server a name of its own, as", "--hostname "+s.freeName(ctx))
		return nil
	}
	admin, err := s.askAdmin()
	if err != nil {
		return err
	}
	if admin.IsZero() {
		out.stop("somebody must read the mail for postmaster and the alerts", "say who, as", "--admin you@"+s.Domain.String())
		return nil
	}
	if err := s.askPublisher(ctx); err != nil {
		return err
	}
	text := Configuration(hostname, s.Domain, admin, s.Data, quoted(s.machine.addresses), s.Answers.Lines)
	s.Desk.Say(s.House.Path() + " is to say:\n\n" + indent(text))
	if yes, err := s.Desk.Confirm("Write it?"); err != nil || !yes {
		out.stop("the configuration was not written", "say yes, or --yes where nobody can be asked")
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err() // who pressed Ctrl-C while reading it wants none of it
	}
	if err := s.House.Configure(text, s.Answers.Secret); err != nil {
		return err
	}
	out.Changed = true
	out.note(finding.Green, s.House.Path()+" is written", "")
	return nil
}

// Configuration is the text of a first configuration. It is as short as it can be.
func Configuration(hostname, domain mail.Domain, admin mail.Address, data, addresses, more string) string {
	text := fmt.Sprintf("hostname  = %q\ndomains   = [%q]\nadmin     = %q\ndata      = %q\naddresses = [%s]\n", hostname, domain, admin, data, addresses)
	if admin.Domain != domain {
		text += "admin_outside = true\n"
	}
	return text + more
}

// askHostname takes the name that the address has already, if it is the domain's, or
// else proposes the usual one.
func (s *Setup) askHostname(ctx context.Context) (mail.Domain, error) {
	if !s.Answers.Hostname.IsZero() {
		return s.Answers.Hostname, nil
	}
	usual := s.freeName(ctx)
	for _, name := range s.machine.names {
		if name.IsSubdomainOf(s.Domain.Registrable()) {
			usual = name.String()
		}
	}
	text, err := s.Desk.Ask("What is this server to be called?", usual)
	if err != nil && !errors.Is(err, ErrNobody) {
		return mail.Domain{}, err
	}
	if text == "" {
		text = usual
	}
	return mail.ParseDomain(text)
}

// freeName is a usual name that does not lead to another machine today: a live domain has
// its mail at such a one.
func (s *Setup) freeName(ctx context.Context) string {
	for _, label := range []string{"mx", "mail", "mx1", "mx2", "smtp"} {
		name := mail.MustParseDomain(label + "." + s.Domain.String())
		if !s.leadsElsewhere(ctx, name) {
			return name.String()
		}
	}
	return "allgreen." + s.Domain.String()
}

// leadsElsewhere reports whether a name has addresses that are not ours.
func (s *Setup) leadsElsewhere(ctx context.Context, name mail.Domain) bool {
	ips, err := world.LookupHost(ctx, s.World, name)
	return err == nil && slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !slices.Contains(s.machine.addresses, ip) })
}

func (s *Setup) askAdmin() (mail.Address, error) {
	if !s.Answers.Admin.IsZero() {
		return s.Answers.Admin, nil
	}
	text, err := s.Desk.Ask("Your own address here (it also gets the mail for postmaster)", "")
	if errors.Is(err, ErrNobody) || err == nil && text == "" {
		return mail.Address{}, nil
	}
	if err != nil {
		return mail.Address{}, err
	}
	if !strings.Contains(text, "@") {
		text += "@" + s.Domain.String()
	}
	return mail.ParseAddress(text)
}

// makeAccount gives the administrator a mailbox, where it is to be here.
func (s *Setup) makeAccount(ctx context.Context, settings Settings, out *Outcome) error {
	who := settings.Admin
	if a := s.Answers.Admin; a.Domain == s.Domain {
		who = a // of a second domain, too
	}
	if !slices.Contains(settings.Domains, who.Domain) {
		out.info(who.String()+" has its mailbox elsewhere", "")
		return nil
	}
	has, err := s.House.HasAccount(ctx, who)
	if err != nil {
		return err
	}
	if has {
		out.note(finding.Green, who.String()+" has a mailbox", "")
		return nil
	}
	password := s.Answers.Password
	if password == "" {
		password, err = s.Desk.Password("A password for " + who.String() + " (leave it empty, and one is made)")
		if err != nil {
			return err
		}
	}
	if password == "" { // shown first: one that nobody saw helps nobody
		password = s.House.NewPassword()
		s.Made = password
		s.Desk.Say("The password of " + who.String() + ", shown this once:\n\n    " + password + "\n")
	}
	if err := s.House.AddAccount(ctx, who, password); err != nil {
		return err
	}
	out.Changed = true
	out.note(finding.Green, who.String()+" has a mailbox now", "")
	return nil
}

// selectorsIn are the selectors of DKIM keys among records.
func selectorsIn(records []finding.Record) (all []string) {
	for _, r := range records {
		selector, _, found := strings.Cut(r.Name, "._domainkey.")
		if found && r.Type == "TXT" && !slices.Contains(all, selector) && !strings.HasSuffix(r.Value, `p="`) {
			all = append(all, selector)
		}
	}
	return all
}

func quoted[T fmt.Stringer](values []T) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf("%q", v))
	}
	return strings.Join(all, ", ")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}
