package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// serveCommand is the mail server.
type serveCommand struct {
	Check  bool `help:"Read the configuration, show every problem, and leave." xor:"what"`
	Reload bool `help:"Have the running server read its configuration again, and tell what changed." xor:"what"`
	JSON   bool `name:"json" help:"With --reload: print JSON."`
	Lab    bool `help:"Serve in the world of the running lab instead of the Internet."`
}

// Examples end the help text.
func (serveCommand) Examples() string {
	return `allgreen serve --config allgreen.toml
allgreen serve --check
allgreen serve --reload`
}

// Run serves until the context ends.
func (c *serveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	switch {
	case c.Check:
		return c.check(io, common)
	case c.Reload:
		return c.reload(ctx, io, common)
	}
	settings, err := common.readConfig()
	if err != nil {
		return err
	}
	w, err := serverWorld(c.Lab, settings)
	if err != nil {
		return err
	}
	spareMemory()
	log := newLog(io.err, settings.Log)
	// A second signal, while the first one is obeyed, is one too many only when nobody
	// listens: reloads go on until the end.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	s, err := startServer(ctx, settings, serverOptions{world: w, log: log, path: common.configPath(), getenv: os.Getenv})
	if err != nil {
		return whyNotServing(err, settings)
	}
	return s.run(ctx, hangup)
}

// serverWorld is where the server lives: the Internet, or the running lab.
func serverWorld(inLab bool, settings *config.Config) (*world.World, error) {
	if inLab {
		return openLab(world.Options{})
	}
	w, err := world.System(world.Options{Resolvers: settings.DNS.Resolvers, Trusted: settings.DNS.Trusted})
	if err != nil {
		return nil, unreachable(err, "name resolvers in the configuration: [dns] resolvers = [\"127.0.0.1:53\"]")
	}
	return w, nil
}

// check shows all problems of the configuration, one per line.
func (c *serveCommand) check(io streams, common commonFlags) error {
	settings, err := config.Read(common.configPath())
	var wrong config.Problems
	if errors.As(err, &wrong) {
		for _, p := range wrong {
			fmt.Fprintln(io.err, p)
		}
		return exit(exitConfig)
	}
	if err != nil {
		return noInput(err, "--config names the configuration file")
	}
	if err := checkCertificates(settings); err != nil {
		return err
	}
	if err := checkNetworks(settings, &world.World{Network: world.Machine()}); err != nil {
		return whyNotServing(err, settings)
	}
	_, err = fmt.Fprintf(io.out, "%s is all right: %s serves %s\n", common.configPath(), settings.Hostname, words(settings.Domains))
	return err
}

// checkCertificates reads the files that [tls] names.
func checkCertificates(c *config.Config) error {
	if c.TLS.Source() != config.FromFiles {
		return nil
	}
	for _, p := range c.TLS.Pairs() {
		if _, err := tls.LoadX509KeyPair(p.Certificate, p.Key); err != nil {
			return badConfig(fmt.Errorf("the certificate %s with the key %s: %w", p.Certificate, p.Key, err), "certificate and key of [tls] name PEM files, the whole chain in the first")
		}
	}
	return nil
}

func (c *serveCommand) reload(ctx context.Context, io streams, common commonFlags) error {
	done, err := ask(ctx, adminFlags{Lab: c.Lab}, common, web.Reload, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, done)
	}
	if len(done.Changed) == 0 {
		fmt.Fprintln(io.out, "nothing has changed")
	}
	for _, change := range done.Changed {
		fmt.Fprintf(io.out, "%s: %s -> %s%s\n", change.Key, change.Old, change.New, map[bool]string{true: "   (counts from the next start on)"}[change.Restart])
	}
	return nil
}

// newLog writes to standard error as the configuration says.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{}
	var level slog.Level
	if level.UnmarshalText([]byte(c.Level)) == nil {
		o.Level = level
	}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Limits of the collector. What lives long is a few megabytes, so that the memory of
// three times that costs little and saves a tenth of the processor under load; near
// the limit the collector works as often as it must. Whoever sets GOGC or GOMEMLIMIT
// decides instead.
const (
	gcPercent   = 200
	memoryLimit = 120 << 20
)

func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// whyNotServing gives what stops the server its exit code and its cure.
func whyNotServing(err error, c *config.Config) error {
	switch {
	case errors.Is(err, world.ErrInUse):
		return unreachable(err, "another mail server may be running: ss -ltnp shows which; stop it, or change [listen]")
	case errors.Is(err, world.ErrOutside), errors.Is(err, syscall.EADDRNOTAVAIL):
		return unreachable(err, "this machine, or with --lab the lab, has no such address: mend addresses and [listen]")
	case errors.Is(err, account.ErrNetwork):
		return badConfig(err, "behind a gateway or a proxy every stranger looks local; change networks of [[device]]")
	case errors.Is(err, errRestoring):
		return badConfig(err, "go on with it: allgreen restore --all")
	case errors.Is(err, store.ErrInUse):
		return unreachable(err, "stop the other process first; two must not work in "+c.Data)
	case errors.Is(err, store.ErrNewer):
		return badConfig(err, "start the version that wrote it, or a newer one")
	case errors.Is(err, store.ErrUnsafe):
		return badConfig(err, "mail that was accepted must survive a power cut; change the settings of the database")
	case errors.Is(err, store.ErrUnreachable):
		return unreachable(err, "start the database, or mend [store]")
	case errors.Is(err, fs.ErrPermission):
		return noInput(err, "ports below 1024 need CAP_NET_BIND_SERVICE or sockets from systemd: see packaging/systemd; the data folder must be the user's own")
	}
	return err
}
