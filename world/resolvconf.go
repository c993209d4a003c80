package world

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// maxResolvers is how many name servers of a resolv.conf are used. The C
// library stops at three; more do no harm here, endlessly many would.
const maxResolvers = 8

// systemResolvers are the name servers of a resolv.conf. As resolv.conf(5) says,
// without any, or without the file, the name server is this machine.
func systemResolvers(path string) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return localResolver(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the resolvers: %w", err)
	}
	defer f.Close()
	resolvers, err := readResolvConf(f)
	if err != nil {
		return nil, fmt.Errorf("reading the resolvers of %s: %w", path, err)
	}
	return resolvers, nil
}

func localResolver() []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
}

// readResolvConf reads the nameserver lines and skips the rest: names are always
// asked fully qualified here, so the search list and ndots mean nothing. Lines
// with something that is no address are skipped as the C library does.
func readResolvConf(r io.Reader) ([]netip.AddrPort, error) {
	var found []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		ip, err := netip.ParseAddr(words[1])
		at := netip.AddrPortFrom(ip, 53)
		if err == nil && !slices.Contains(found, at) && len(found) < maxResolvers {
			found = append(found, at)
		}
	}
	if len(found) == 0 {
		found = localResolver()
	}
	return found, lines.Err()
}
