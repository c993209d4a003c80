package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// dnsCommand knows the records that the domains want, and publishes them.
type dnsCommand struct {
	Records dnsRecordsCommand `cmd:"" help:"Print the records that the domains want, as pieces of zone files."`
	Diff    dnsDiffCommand    `cmd:"" help:"Show what differs from what is there; exit 1 when anything does."`
	Publish dnsPublishCommand `cmd:"" help:"Publish what is missing through the provider of [dns], and wait until it is seen."`
	Switch  dnsSwitchCommand  `cmd:"" help:"Move the mail of a live domain here: the TTL first, a test message, the MX records last."`
	Undo    dnsUndoCommand    `cmd:"" help:"Take back what publish has written."`
}

// Examples end the help text.
func (dnsCommand) Examples() string {
	return `allgreen dns records example.com
allgreen dns diff
allgreen dns publish --yes
allgreen dns publish example.com --replace MX`
}

// recordsOf are the records that each domain of an identity wants.
func recordsOf(id *identity.Identity) []web.DomainRecords {
	all := []web.DomainRecords{}
	for _, d := range id.Statement().Domains {
		all = append(all, web.DomainRecords{Domain: d.String(), Records: id.Records(d)})
	}
	return all
}

// domainFlags say which domains.
type domainFlags struct {
	adminFlags
	Domain []string `arg:"" optional:"" help:"Only these domains."`
}

// wanted are the records of the domains named, or of all. The running server tells
// them; without one they are read from its data folder, where the keys are made when
// there are none.
func (f domainFlags) wanted(ctx context.Context, common commonFlags) ([]web.DomainRecords, error) {
	client, err := f.client(common)
	if err != nil {
		return nil, err
	}
	all, err := web.DNSRecords.Do(ctx, client, web.None{})
	if errors.Is(err, web.ErrNoServer) && (!f.Lab || common.Config != "") {
		all, err = f.gentleAtRest(ctx, common)
	}
	if err != nil {
		return nil, inCommand(err)
	}
	if len(f.Domain) == 0 {
		return all, nil
	}
	var chosen []web.DomainRecords
	for _, name := range f.Domain {
		d, err := mail.ParseDomain(name)
		i := slices.IndexFunc(all, func(r web.DomainRecords) bool { return err == nil && r.Domain == d.String() })
		if i < 0 {
			return nil, usage(fmt.Errorf("%s is no domain of this server", name), "domains of the configuration names them")
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// lifePatience bounds the look at what lives already, before records are printed.
const lifePatience = 5 * time.Second

// gentleAtRest are the records while no server runs that has looked at the domains: for
// one that others send for, DMARC begins gently. When nobody answers they are as they are.
func (f domainFlags) gentleAtRest(ctx context.Context, common commonFlags) ([]web.DomainRecords, error) {
	all, err := recordsAtRest(ctx, common)
	if err != nil {
		return nil, err
	}
	by, _, err := f.comparer(common, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lifePatience)
	defer cancel()
	for i, d := range all {
		if life, err := setup.LookAtLife(ctx, by.World, mail.MustParseDomain(d.Domain), d.Records); err == nil {
			all[i].Records = life.Gentle(d.Records)
		}
	}
	return all, nil
}

// recordsAtRest reads them while no server runs. Files of another user in the data
// folder would keep the server from starting, so only its own user may.
func recordsAtRest(ctx context.Context, common commonFlags) ([]web.DomainRecords, error) {
	c, err := common.readConfig()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unreachable(fmt.Errorf("no server runs, and there is no %s yet", c.Data), "start it with: allgreen serve")
	}
	if err != nil {
		return nil, noInput(err, "run it as the user of the server: sudo -u allgreen allgreen ...")
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, unreachable(fmt.Errorf("no server runs, and %s belongs to another user", c.Data), "run it as the user of the server: sudo -u allgreen allgreen ...")
	}
	id, closed, err := openIdentity(ctx, c, certificates(c, world.None()))
	if err != nil {
		return nil, whyNotServing(err, c)
	}
	records := recordsOf(id)
	return records, closed()
}

// openIdentity opens who we are without a server around it, to be looked at.
func openIdentity(ctx context.Context, c *config.Config, certs identity.Certificates) (*identity.Identity, func() error, error) {
	w := world.None()
	o, err := storeOptions(c)
	if err != nil {
		return nil, nil, err
	}
	o.Clock, o.Schemas = w.Now, schemas()
	st, err := store.Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	id, err := identity.Open(ctx, identity.Options{
		Store: st, World: w, Statement: statement(c), Certificates: certs, NodeKeyFile: filepath.Join(c.Data, nodeKeyName),
	})
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return id, st.Close, nil
}

type dnsRecordsCommand struct {
	domainFlags
	Table bool `help:"Print a table, to copy from into a form."`
}

// Examples end the help text.
func (dnsRecordsCommand) Examples() string {
	return `allgreen dns records example.com
allgreen dns records --table
allgreen dns records --json`
}

// Run prints the records.
func (c *dnsRecordsCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := c.wanted(ctx, common)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"domains": all})
	}
	for _, d := range all {
		if c.Table {
			err = printRecords(io.out, d)
		} else {
			_, err = fmt.Fprintf(io.out, "; %s\n%s\n", d.Domain, identity.Fragment(mail.MustParseDomain(d.Domain), d.Records))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func printRecords(w io.Writer, d web.DomainRecords) error {
	fmt.Fprintf(w, "%s\n\n", d.Domain)
	var rows [][]string
	for _, r := range d.Records {
		rows = append(rows, []string{r.Name, r.Type, r.Value})
	}
	// Nothing is cut: these are to be copied.
	if err := show.Table(w, []show.Column{{Title: "name", Keep: true}, {Title: "type", Keep: true}, {Title: "value", Keep: true}}, rows, tableWidth(w)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// comparer is who plans for domains, with the errors that commands end with.
type comparer struct{ *setup.Publisher }

// comparer is who looks: through the provider of the configuration, if it names one.
func (f domainFlags) comparer(common commonFlags, replace []string) (*comparer, *config.Config, error) {
	settings, err := common.readConfig()
	if err != nil && !f.Lab {
		return nil, nil, err
	}
	if err != nil { // the lab is its own configuration
		settings = config.Defaults()
	}
	w, err := serverWorld(f.Lab, settings)
	if err != nil {
		return nil, nil, err
	}
	return &comparer{newPublisher(settings, w, replace)}, settings, nil
}

// newPublisher is who publishes for a configuration; replace are sets that ours take
// the place of: "MX", or "mta-sts.example.com/CNAME".
func newPublisher(settings *config.Config, w *world.World, replace []string) *setup.Publisher {
	return &setup.Publisher{
		World: w, Provider: publisher(settings.DNS, w), Name: settings.DNS.Provider,
		Replace: replacing(replace), UndoDir: filepath.Join(settings.Data, "dns-undo"), Data: settings.Data,
	}
}

// compareWith compares for the running server, as its configuration was read.
func compareWith(settings *config.Config, w *world.World) web.Comparer {
	p := newPublisher(settings, w, nil)
	return func(ctx context.Context, d web.DomainRecords) ([]zone.Step, error) {
		domain, err := mail.ParseDomain(d.Domain)
		if err != nil {
			return nil, err
		}
		found, err := p.Compare(ctx, domain, d.Records)
		if err != nil {
			return nil, err
		}
		return found.Steps, nil
	}
}

func (c *comparer) compare(ctx context.Context, d web.DomainRecords) (*setup.Comparison, error) {
	one, err := c.Compare(ctx, mail.MustParseDomain(d.Domain), d.Records)
	return one, whyNotPublished(err)
}

// replacing reports whether a set was named that ours may take the place of.
func replacing(replace []string) func(name world.Name, kind string) bool {
	return func(name world.Name, kind string) bool {
		return slices.ContainsFunc(replace, func(text string) bool {
			host, only, both := strings.Cut(text, "/")
			if !both {
				return strings.EqualFold(text, kind)
			}
			return strings.EqualFold(only, kind) && strings.EqualFold(strings.TrimSuffix(host, ".")+".", name.String())
		})
	}
}

// whyNotPublished gives what stops a provider its exit code and its cure.
func whyNotPublished(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, setup.ErrUndo):
		return noInput(err, "--undo names another place")
	case errors.Is(err, setup.ErrNoServers):
		return unreachable(err, "the domain needs name servers first: those of its registrar or of a DNS provider")
	case errors.Is(err, zone.ErrKey):
		return badConfig(err, "mend [dns]; tsig-keygen makes a key")
	case errors.Is(err, zone.ErrNoZone):
		return badConfig(err, "is the zone in this account, and on this name server? see [dns]")
	case errors.Is(err, zone.ErrRefused):
		return badConfig(err, "look at the secret of [dns], and at what it may do there")
	case errors.Is(err, zone.ErrChanged):
		return &failure{exitTemporary, err, "nothing was written; run it again"}
	}
	return unreachable(err, "try again later")
}

type dnsDiffCommand struct{ domainFlags }

// Examples end the help text.
func (dnsDiffCommand) Examples() string {
	return `allgreen dns diff
allgreen dns diff example.com --json`
}

// Run compares and exits 1 when something differs.
func (c *dnsDiffCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := c.wanted(ctx, common)
	if err != nil {
		return err
	}
	by, _, err := c.comparer(common, nil)
	if err != nil {
		return err
	}
	differs, list := false, []*setup.Comparison{}
	for _, d := range all {
		one, err := by.compare(ctx, d)
		if err != nil {
			return err
		}
		differs = differs || one.Differs
		list = append(list, one)
		if !c.JSON {
			one.WriteDiff(io.out, common.Verbose)
		}
	}
	if c.JSON {
		if err := printJSON(io.out, map[string]any{"domains": list}); err != nil {
			return err
		}
	}
	if differs {
		return exit(exitFailed)
	}
	return nil
}
