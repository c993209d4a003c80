package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"path/filepath"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// domainCommand adds domains to the server, and takes them away.
type domainCommand struct {
	Add    domainAddCommand    `cmd:"" help:"Add a domain, or a subdomain that only sends: keys of its own, a policy of its own, its records."`
	List   domainListCommand   `cmd:"" help:"List the domains of the running server."`
	Remove domainRemoveCommand `cmd:"" help:"Remove a domain that nobody has an address in."`
}

// Examples end the help text.
func (domainCommand) Examples() string {
	return `allgreen domain add example.net
allgreen domain add news.example.com --publish --yes
allgreen domain remove example.net`
}

// domainEdit edits the configuration, and has the server read it again.
type domainEdit struct {
	adminFlags
	Domain string `arg:"" help:"The domain."`
}

// path is the file that the server reads; the lab's lies beside its data.
func (c domainEdit) path(common commonFlags) (string, error) {
	if !c.Lab || common.Config != "" {
		return common.configPath(), nil
	}
	data, err := c.dataFolder(common)
	return filepath.Join(filepath.Dir(data), "allgreen.toml"), err
}

// edit changes the file and has the running server, if one runs, take it over. A change
// that the server does not take is taken back.
func (c domainEdit) edit(ctx context.Context, common commonFlags, change func(dir string, document []byte) ([]byte, error)) (running bool, err error) {
	path, err := c.path(common)
	if err != nil {
		return false, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	var before []byte
	err = config.EditFile(path, func(document []byte) ([]byte, error) {
		before = document
		return change(dir, document)
	})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return false, noInput(err, "run it as whoever may write the configuration: sudo allgreen domain ...")
	case errors.Is(err, config.ErrEdit):
		return false, badConfig(err, "add or remove it in "+path+", then: systemctl reload allgreen")
	case err != nil:
		return false, noInput(err, "--config names the configuration file")
	}
	client, err := c.client(common)
	if err != nil {
		return false, err
	}
	_, err = web.Reload.Do(ctx, client, web.None{})
	if errors.Is(err, web.ErrNoServer) {
		return false, nil
	}
	if err != nil {
		back := config.EditFile(path, func([]byte) ([]byte, error) { return before, nil })
		return true, inCommand(errors.Join(err, back))
	}
	return true, nil
}

// serves reports whether the running server has the domain.
func (c domainEdit) serves(ctx context.Context, common commonFlags, d mail.Domain) (bool, error) {
	status, err := ask(ctx, c.adminFlags, common, web.Status, web.None{})
	return slices.Contains(status.Domains, d.String()), err
}

type domainAddCommand struct {
	domainEdit
	Publish bool `help:"Publish its records through the provider of [dns]; without it they are printed."`
	Yes     bool `help:"Do not ask before publishing."`
}

// Examples end the help text.
func (domainAddCommand) Examples() string {
	return `allgreen domain add example.net
allgreen domain add news.example.com --publish --yes`
}

// Run adds. A domain that is there already is none the worse for it: so the command can
// be run again for its records.
func (c *domainAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	d, err := mail.ParseDomain(c.Domain)
	if err != nil || d.Labels() < 2 {
		return usage(fmt.Errorf("%.80q is no domain", c.Domain), "write it as example.com")
	}
	running, err := c.edit(ctx, common, func(dir string, document []byte) ([]byte, error) {
		if old, err := config.Parse("", dir, document); err == nil && slices.Contains(old.Domains, d) {
			return document, nil
		}
		return config.AddDomain(dir, document, d)
	})
	if err != nil {
		return err
	}
	if running {
		if has, err := c.serves(ctx, common, d); err != nil || !has {
			return errors.Join(err, badConfig(errors.New("the running server reads another file"), "name it with --config"))
		}
	}
	flags := domainFlags{adminFlags: c.adminFlags, Domain: []string{d.String()}}
	if c.Publish {
		return (&dnsPublishCommand{domainFlags: flags, Wait: defaultWait, Yes: c.Yes}).Run(ctx, io, common)
	}
	records, err := flags.wanted(ctx, common)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"domain": d.String(), "records": records[0].Records})
	}
	fmt.Fprintf(io.out, "%s has its mail here. What it wants in the DNS:\n\n%s\n", d, identity.Fragment(d, records[0].Records))
	_, err = fmt.Fprintf(io.out, "publish it: %[1]s dns publish %[2]s, or paste it\nwhere it stands: %[1]s dns diff %[2]s\nif it has mail elsewhere today: %[1]s dns switch %[2]s\n", calledAs(), d)
	return err
}

type domainListCommand struct{ adminFlags }

// Examples end the help text.
func (domainListCommand) Examples() string {
	return `allgreen domain list
allgreen domain list --json`
}

// domainRow is one domain of the list.
type domainRow struct {
	Domain    string   `json:"domain"`
	DMARC     string   `json:"dmarc"`     // its policy
	Selectors []string `json:"selectors"` // of the DKIM keys that sign
	Accounts  int      `json:"accounts"`
}

// Run lists.
func (c *domainListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	steps, err := ask(ctx, c.adminFlags, common, web.DMARCSteps, web.None{})
	if err != nil {
		return err
	}
	keys, err := ask(ctx, c.adminFlags, common, web.DKIMKeys, web.DomainName{})
	if err != nil {
		return err
	}
	accounts, err := ask(ctx, c.adminFlags, common, web.AccountList, web.None{})
	if err != nil {
		return err
	}
	list := []domainRow{}
	for _, s := range steps {
		row := domainRow{Domain: s.Domain, DMARC: string(s.Policy), Selectors: []string{}}
		for _, k := range keys {
			if k.Domain == s.Domain && k.State == string(identity.Active) {
				row.Selectors = append(row.Selectors, k.Selector)
			}
		}
		for _, a := range accounts {
			if isAt(a.Address, s.Domain) {
				row.Accounts++
			}
		}
		list = append(list, row)
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"domains": list})
	}
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{r.Domain, r.DMARC, strings.Join(r.Selectors, " "), fmt.Sprint(r.Accounts)})
	}
	heads := []show.Column{{Title: "domain", Keep: true}, {Title: "dmarc"}, {Title: "signs with"}, {Title: "accounts"}}
	return show.Table(io.out, heads, rows, tableWidth(io.out))
}

// isAt reports whether an address is in a domain.
func isAt(address, domain string) bool {
	return strings.HasSuffix(strings.ToLower(address), "@"+domain)
}

type domainRemoveCommand struct {
	domainEdit
	Force bool `help:"Also when there are accounts or aliases in it: mail to them is refused from then on."`
}

// Examples end the help text.
func (domainRemoveCommand) Examples() string {
	return `allgreen domain remove example.net`
}

// Run removes. Its keys stay in the store, so that it signs as before when it comes back;
// its records are for a person to take away.
func (c *domainRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	d, err := mail.ParseDomain(c.Domain)
	if err != nil {
		return usage(err, "allgreen domain list shows them")
	}
	records, err := domainFlags{adminFlags: c.adminFlags, Domain: []string{d.String()}}.wanted(ctx, common)
	if err != nil {
		return err
	}
	if err := c.refuse(ctx, common, d); err != nil {
		return err
	}
	if _, err := c.edit(ctx, common, func(dir string, document []byte) ([]byte, error) { return config.RemoveDomain(dir, document, d) }); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"domain": d.String(), "records": records[0].Records})
	}
	_, err = fmt.Fprintf(io.out, "%s has no mail here any more. Nothing in the DNS was changed; these records\nare of no use now, and those of DKIM should stay for a week:\n\n%s", d, identity.Fragment(d, records[0].Records))
	return err
}

// refuse keeps a domain that somebody needs.
func (c *domainRemoveCommand) refuse(ctx context.Context, common commonFlags, d mail.Domain) error {
	if c.Force {
		return nil
	}
	accounts, err := ask(ctx, c.adminFlags, common, web.AccountList, web.None{})
	if err != nil {
		return err
	}
	aliases, err := ask(ctx, c.adminFlags, common, web.AliasList, web.None{})
	if err != nil {
		return err
	}
	var there []string
	for _, a := range accounts {
		there = append(there, a.Address)
	}
	for _, a := range aliases {
		there = append(there, a.From)
	}
	there = slices.DeleteFunc(there, func(a string) bool { return !isAt(a, d.String()) })
	if len(there) == 0 {
		return nil
	}
	return &failure{exitFailed, fmt.Errorf("%d accounts and aliases are in %s, as %s", len(there), d, there[0]), "remove them first, or say --force"}
}
