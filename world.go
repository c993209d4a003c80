package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

// worldFlags choose the Internet that a command looks at.
type worldFlags struct {
	Resolver []string      `help:"Ask this resolver instead of the system's; repeatable." placeholder:"HOST:PORT" sep:","`
	Lab      bool          `help:"Look at the running lab instead of the Internet."`
	Timeout  time.Duration `help:"Give up on one target after this long." placeholder:"DUR"`
}

// open is the world the flags ask for.
func (f worldFlags) open() (*world.World, error) {
	o := world.Options{}
	if f.Timeout < 0 {
		return nil, usage(fmt.Errorf("--timeout %s is over before it begins", f.Timeout), "--timeout takes a duration, as 30s or 2m")
	}
	for _, text := range f.Resolver {
		resolver, err := parseResolver(text)
		if err != nil {
			return nil, usage(err, "--resolver takes an address and a port, as 192.0.2.53:53")
		}
		o.Resolvers = append(o.Resolvers, resolver)
	}
	if f.Lab {
		return openLab(o)
	}
	w, err := world.System(o)
	if err != nil {
		return nil, unreachable(err, "name a resolver with --resolver HOST:PORT")
	}
	return w, nil
}

func openLab(o world.Options) (*world.World, error) {
	path := labFile()
	w, err := world.Open(path, o)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, unreachable(errors.New("no lab is running"), "start one with: allgreen lab")
	case err != nil:
		return nil, badConfig(err, "start the lab again with: allgreen lab")
	}
	return w, nil
}

// labFile is where a running lab leaves its world for --lab.
func labFile() string {
	if path := os.Getenv("ALLGREEN_LAB"); path != "" {
		return path
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "allgreen", "lab.json")
}

func parseResolver(text string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(ip, 53), nil
	}
	resolver, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no resolver", text)
	}
	return resolver, nil
}

// limit bounds a command that judges one thing.
func (f worldFlags) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	const patience = time.Minute
	return context.WithTimeout(ctx, cmp.Or(f.Timeout, patience))
}
