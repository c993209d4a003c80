package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/monitor"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// newWatch makes the watch over our own addresses and domains.
func (s *server) newWatch(c *config.Config) *monitor.Monitor {
	m := monitor.New(monitor.Options{Store: s.store, World: s.world, Ours: s.ownAddresses, Annotate: s.upkeep.Annotate, Log: s.log})
	m.Configure(s.watchSettings(c))
	return m
}

// watchSettings are what is watched and who is told.
func (s *server) watchSettings(c *config.Config) monitor.Settings {
	out := monitor.Settings{
		Every: c.Watch.Every, Hostname: c.Hostname, Domains: slices.Clone(c.Domains), Heartbeat: string(c.Watch.Heartbeat),
		Lists: reputation.NewDirectory(reputation.Options{Keys: listKeys(c), Now: s.world.Now}),
	}
	for _, a := range c.Egress() {
		out.Addresses = append(out.Addresses, a.IP)
	}
	out.Channels = append(out.Channels, monitor.Channel{Name: "admin", Tell: s.tellAdmin})
	post := s.watchPost(c)
	for _, to := range c.Watch.MailTo {
		out.Channels = append(out.Channels, post.To(to, c.Hostname))
	}
	if url := string(c.Watch.Webhook); url != "" {
		out.Channels = append(out.Channels, monitor.Webhook(s.world, c.Hostname, url))
	}
	return out
}

// tellAdmin puts a letter into the administrator's mailbox, and the debt is settled in
// the same transaction.
func (s *server) tellAdmin(ctx context.Context, l monitor.Letter) error {
	return s.writeAlertAlso(ctx, l.Subject, l.Text, "", l.Settle)
}

// watchPost is how letters leave for addresses elsewhere. They come from the login at the
// smarthost where that is an address: few servers let anybody else write.
func (s *server) watchPost(c *config.Config) *monitor.Post {
	p := &monitor.Post{World: s.world, HELO: c.Hostname.String(), From: mail.Address{Local: "postmaster", Domain: c.Domains[0]}}
	if sm := c.Watch.Smarthost; sm.Host != "" {
		host, err := mail.ParseDomain(sm.Host)
		if err != nil { // config has judged it
			s.log.Error("the smarthost of the watch has no name", "host", sm.Host, "error", err)
		}
		p.Smarthost = &monitor.Smarthost{Host: host, Port: sm.Port, User: sm.User, Password: string(sm.Password)}
		if from, err := mail.ParseAddress(sm.User); err == nil {
			p.From = from
		}
	}
	if slices.Contains(c.Domains, p.From.Domain) {
		p.Sign = func(letter []byte) ([]byte, error) { return s.sign(p.From.Domain, letter) }
	}
	return p
}

// sign puts the signatures of a domain in front of a message.
func (s *server) sign(d mail.Domain, raw []byte) ([]byte, error) {
	signers, err := s.identity.Signers(d)
	if err != nil {
		return nil, err
	}
	m, err := message.Read(bytes.NewReader(raw), message.Limits{})
	if err != nil {
		return nil, err
	}
	fields, err := dkim.Sign(m.Header, m.Body, s.world.Now(), signers...)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, f := range fields {
		b.WriteString(f)
	}
	b.Write(raw)
	return b.Bytes(), nil
}

// ownAddresses are where this server is: where mail leaves, where others see it, where it
// listens; and where none of that is known, what its name leads to on this machine.
func (s *server) ownAddresses(ctx context.Context) []netip.Addr {
	now := s.now.Load()
	if now == nil {
		return nil
	}
	var own []netip.Addr
	add := func(ip netip.Addr) {
		if ip = ip.Unmap(); ip.IsValid() && !ip.IsUnspecified() && !slices.Contains(own, ip) {
			own = append(own, ip)
		}
	}
	for _, a := range now.settings.Egress() {
		add(a.IP)
	}
	if found := s.edge.found.Load(); found != nil {
		for _, ip := range found.Addresses() {
			add(ip)
		}
	}
	for _, socket := range now.settings.Listen.SMTP {
		add(socket.IP)
	}
	if len(own) == 0 {
		ips, _ := world.LookupHost(ctx, s.world, now.settings.Hostname) // without it nothing is ours
		for _, ip := range ips {
			if !s.world.IsElsewhere(ctx, ip) {
				add(ip)
			}
		}
	}
	return own
}

// isSelf reports whether a client is this machine: its watch, say.
func (g *generation) isSelf(ip netip.Addr) bool {
	return ip.IsLoopback() || slices.ContainsFunc(g.settings.Egress(), func(a config.Address) bool { return a.IP.Unmap() == ip })
}

// watcher answers those who want to look now.
type watcher struct{ server *server }

// LookAgain looks now.
func (w watcher) LookAgain(ctx context.Context, target, check string, progress func(done, of int64)) error {
	err := w.server.watch.LookAgain(ctx, target, check, progress)
	switch {
	case errors.Is(err, monitor.ErrNoTarget):
		return &web.Error{Kind: web.NotFound, Text: err.Error(), Hint: "allgreen watch shows what is watched; allgreen check audits anything else"}
	case errors.Is(err, monitor.ErrNoCheck):
		return &web.Error{Kind: web.NotFound, Text: err.Error(), Hint: "allgreen explain lists the checks"}
	}
	return err
}

// lateLooks is how many times the wanted interval may go by without a look.
const lateLooks = 3

// askWatch is what is wrong with the watch itself.
func (s *server) askWatch(ctx context.Context) error {
	stats, err := s.watch.Stats(ctx)
	if err != nil {
		return err
	}
	errs := []error{stats.LookError}
	every := cmp.Or(s.now.Load().settings.Watch.Every, time.Hour)
	since := s.started
	if !stats.Looked.IsZero() {
		since = stats.Looked
	}
	if ago := s.world.Now().Sub(since); ago > lateLooks*every {
		errs = append(errs, fmt.Errorf("nothing was looked at for %s", ago.Round(time.Minute)))
	}
	if stats.BeatError != nil {
		errs = append(errs, fmt.Errorf("the heartbeat was not taken: %w", stats.BeatError))
	}
	for _, c := range stats.Channels {
		if c.Error != nil {
			errs = append(errs, fmt.Errorf("%s was not told of %d changes since %s: %w", c.Name, c.Owed, clock(c.Failing), c.Error))
		}
	}
	return errors.Join(errs...)
}

// watchFigures show how we stand, and how the watch does.
func (s *server) watchFigures() []web.Family {
	stats := func(read func(monitor.Stats, func(float64, ...string))) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			ctx, cancel := context.WithTimeout(context.Background(), figurePatience)
			defer cancel()
			if now, err := s.watch.Stats(ctx); err == nil {
				read(now, emit)
			}
		}
	}
	return []web.Family{
		{Name: "standing_rows", Help: "Rows of the standing of our own addresses and domains, by colour.", Shape: web.Gauge, Labels: []string{"target", "status"}, Read: s.countRows},
		{Name: "standing_blind", Help: "Rows of the standing of which nothing can be seen now.", Shape: web.Gauge, Labels: []string{"target"}, Read: s.countBlind},
		{Name: "watch_last_look_timestamp_seconds", Help: "When everything was looked at last, as seconds since 1970; absent: not yet.", Shape: web.Gauge,
			Read: stats(func(now monitor.Stats, emit func(float64, ...string)) {
				if !now.Looked.IsZero() {
					emit(float64(now.Looked.Unix()))
				}
			})},
		{Name: "watch_owed", Help: "Changes that a channel was not told yet.", Shape: web.Gauge, Labels: []string{"channel"},
			Read: stats(func(now monitor.Stats, emit func(float64, ...string)) {
				for i, c := range now.Channels {
					emit(float64(c.Owed), channelLabel(i, c.Name))
				}
			})},
		{Name: "watch_failing", Help: "1 when a channel did not take the last letter.", Shape: web.Gauge, Labels: []string{"channel"},
			Read: stats(func(now monitor.Stats, emit func(float64, ...string)) {
				for i, c := range now.Channels {
					emit(map[bool]float64{true: 1}[c.Error != nil], channelLabel(i, c.Name))
				}
			})},
	}
}

// channelLabel keeps the addresses of people out of the figures.
func channelLabel(i int, name string) string {
	if name == "admin" || name == "webhook" {
		return name
	}
	return "mail " + strconv.Itoa(i+1)
}

// standingRows are all rows, for figures; none when they cannot be read in time.
func (s *server) standingRows() (rows []standing.Row) {
	ctx, cancel := context.WithTimeout(context.Background(), figurePatience)
	defer cancel()
	_ = s.store.Read(ctx, func(tx *store.Tx) (err error) {
		rows, err = standing.Rows(tx, standing.Query{})
		return err
	})
	return rows
}

func (s *server) countRows(emit func(float64, ...string)) {
	type key struct {
		target string
		status finding.Status
	}
	count := map[key]float64{}
	for _, r := range s.standingRows() {
		for _, status := range []finding.Status{finding.Green, finding.Yellow, finding.Red, finding.Unknown, finding.Skip} {
			count[key{r.Target, status}] += 0
		}
		count[key{r.Target, r.Status}]++
	}
	for k, n := range count {
		emit(n, k.target, k.status.String())
	}
}

func (s *server) countBlind(emit func(float64, ...string)) {
	count := map[string]float64{}
	for _, r := range s.standingRows() {
		count[r.Target] += 0
		if !r.Blind.IsZero() {
			count[r.Target]++
		}
	}
	for target, n := range count {
		emit(n, target)
	}
}
