package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// machineFacts are what the first stage has found, for those behind it.
type machineFacts struct {
	addresses []netip.Addr  // at which others see this machine, or will
	names     []mail.Domain // of their PTR records
}

// lookAtMachine is the first stage. It changes nothing.
func (s *Setup) lookAtMachine(ctx context.Context) (Outcome, error) {
	out := green()
	settings, err := s.settings()
	if err != nil {
		return out, err
	}
	s.Desk.Wait("looking for the name servers of " + s.Domain.String())
	s.lookAtDomain(ctx, &out)
	s.Desk.Wait("asking others at which address they see this machine")
	if err := s.findEdge(ctx, settings, &out); err != nil {
		return out, err
	}
	s.Desk.Wait("looking up the names of its addresses")
	s.lookAtNames(ctx, settings, &out)
	s.Desk.Wait("asking others for the time")
	s.lookAtClock(ctx, &out)
	s.Desk.Wait("asking blocklists and signed zones")
	s.lookAtResolver(ctx, &out)
	if !s.House.IsServing(ctx) {
		s.lookAtPorts(ctx, settings, &out)
	}
	out.info("only the mail server should reach port 25 of others from here; root writes the rule", "", fence(s.User())...)
	if !out.Stop {
		out.Line = "others see it at " + join(s.machine.addresses)
	}
	return out, ctx.Err()
}

// settings are those of the configuration, or none.
func (s *Setup) settings() (Settings, error) {
	settings, err := s.House.Settings()
	if errors.Is(err, ErrNoConfiguration) {
		return Settings{}, nil
	}
	return settings, err
}

// findEdge finds the addresses, and whether port 25 of others can be reached.
func (s *Setup) findEdge(ctx context.Context, settings Settings, out *Outcome) error {
	own := settings.Addresses
	if len(own) == 0 {
		own = s.Answers.Addresses
	}
	edge, err := identity.LookForEdge(ctx, s.World, s.hello(settings), own, s.Edge)
	if err != nil {
		return err
	}
	s.machine.addresses = edge.Configured
	if len(own) == 0 {
		s.machine.addresses = edge.Addresses()
	}
	if len(s.machine.addresses) == 0 {
		if err := s.askAddress(); err != nil {
			return err
		}
	}
	if len(s.machine.addresses) == 0 {
		out.stop("nobody tells at which address others see this machine", "say it, as", "--address 203.0.113.7")
		return nil
	}
	for _, p := range edge.Problems {
		out.note(finding.Yellow, p.Text, p.Fix)
	}
	if len(edge.Problems) == 0 {
		out.note(finding.Green, "the address of this machine is "+join(s.machine.addresses), "")
	}
	for _, ip := range s.machine.addresses {
		if !s.World.IsPublic(ip) {
			out.stop(fmt.Sprintf("%s is a private address", ip), "name the one that others see with --address")
		}
	}
	s.lookOut(edge, settings, out)
	out.note(finding.Unknown, "whether others reach port 25 of this machine cannot be seen from here",
		"ask from a machine elsewhere:", fmt.Sprintf("nc -vz %s 25", s.machine.addresses[0]))
	return nil
}

// hello is the name to say before there is one.
func (s *Setup) hello(settings Settings) mail.Domain {
	for _, name := range []mail.Domain{settings.Hostname, s.Answers.Hostname} {
		if !name.IsZero() {
			return name
		}
	}
	return mail.MustParseDomain("mx." + s.Domain.String())
}

func (s *Setup) askAddress() error {
	text, err := s.Desk.Ask("At which address do others see this machine?", "")
	if errors.Is(err, ErrNobody) || text == "" {
		return nil
	}
	if err != nil {
		return err
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		ip, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("%q is no address", word)
		}
		s.machine.addresses = append(s.machine.addresses, ip.Unmap())
	}
	return nil
}

// lookOut tells whether mail can leave: who answers EHLO was reached on port 25.
func (s *Setup) lookOut(edge identity.Edge, settings Settings, out *Outcome) {
	if !settings.Smarthost.IsZero() {
		out.info("mail leaves through "+settings.Smarthost.String()+", so port 25 need not be open", "")
		return
	}
	var asked, reached int
	for _, sight := range edge.Sightings {
		if strings.HasSuffix(sight.By, "(EHLO)") {
			asked++
			if sight.Err == nil {
				reached++
			}
		}
	}
	switch {
	case asked == 0:
		out.note(finding.Unknown, "nobody was asked whether mail can leave on port 25", "")
	case reached > 0:
		out.note(finding.Green, "mail can leave: port 25 of others answers", "")
	default:
		out.note(finding.Yellow, "mail cannot leave: port 25 of others does not answer", closedPort)
	}
}

// closedPort is what helps where nothing is known of the hoster.
const closedPort = "hosters close port 25 until asked; ask yours to open it, or write [deliver.smarthost] into the configuration"

// lookAtNames finds the PTR records and the hoster.
func (s *Setup) lookAtNames(ctx context.Context, settings Settings, out *Outcome) {
	for _, ip := range s.machine.addresses {
		hoster := s.findHoster(ctx, ip)
		wanted := cmp.Or(settings.Hostname, s.Answers.Hostname)
		names, _, err := world.LookupPTR(ctx, s.World, ip)
		var words []string
		for _, n := range names {
			words = append(words, strings.TrimSuffix(n.String(), "."))
			if d, err := n.Domain(); err == nil {
				s.machine.names = append(s.machine.names, d)
			}
		}
		switch {
		case err != nil && !errors.Is(err, world.ErrNotFound):
			out.note(finding.Unknown, fmt.Sprintf("the name of %s could not be looked up: %s", ip, err), "")
		case len(names) == 0:
			out.note(finding.Yellow, fmt.Sprintf("%s has no name (PTR record): many servers refuse its mail", ip), hoster.ptrCure(ip, s.hello(settings)))
		case !wanted.IsZero() && !slices.Contains(words, wanted.String()):
			out.note(finding.Yellow, fmt.Sprintf("%s is named %s, and this server calls itself %s", ip, strings.Join(words, ", "), wanted), hoster.ptrCure(ip, wanted))
		default:
			out.note(finding.Green, fmt.Sprintf("the name of %s (PTR record) is %s", ip, strings.Join(words, ", ")), "")
		}
		hoster.tell(ip, out)
	}
}

func join(ips []netip.Addr) string {
	words := make([]string, len(ips))
	for i, ip := range ips {
		words[i] = ip.String()
	}
	return strings.Join(words, ", ")
}
