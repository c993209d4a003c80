package world

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// sourceKey carries the local address of one dial to the machine's network.
type sourceKey struct{}

// machine is the network of this machine.
type machine struct{}

// Machine is the real network: the only code of the house that opens sockets.
func Machine() Network { return machine{} }

func (machine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if ip, ok := ctx.Value(sourceKey{}).(netip.Addr); ok {
		d.LocalAddr = socketAddress(network, netip.AddrPortFrom(ip, 0))
	}
	return d.DialContext(ctx, network, address)
}

// socketAddress is a socket address as the network's errors and dialers want it.
func socketAddress(network string, at netip.AddrPort) net.Addr {
	if strings.HasPrefix(network, "udp") {
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

func (machine) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
}

// ErrNotPublic is the error of fetching from a host that only has private addresses.
var ErrNotPublic = errors.New("no public address")

// HTTPClient fetches over this world, from public addresses only: names by its resolver, sockets through its
// map, certificates against its roots. It follows no redirect, keeps no cookie,
// and reads no proxy from the environment. The caller bounds what it reads.
func (w *World) HTTPClient(timeout time.Duration) *http.Client {
	return w.httpClient(timeout, w.IsPublic)
}

// OwnHTTPClient is HTTPClient for addresses that our own configuration names: they may be
// private as well.
func (w *World) OwnHTTPClient(timeout time.Duration) *http.Client {
	return w.httpClient(timeout, func(netip.Addr) bool { return true })
}

func (w *World) httpClient(timeout time.Duration, may func(netip.Addr) bool) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
				return w.dialURL(ctx, hostPort, may)
			},
			TLSClientConfig:        &tls.Config{RootCAs: w.Roots, MinVersion: tls.VersionTLS12, Time: w.Now},
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialURL dials the host of a URL, each of its addresses in turn that it may.
func (w *World) dialURL(ctx context.Context, hostPort string, may func(netip.Addr) bool) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := w.addressesOf(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: %s", ErrNotPublic, host)
	for _, ip := range ips {
		if !may(ip) {
			continue // whoever wrote the name does not get to choose a host of our own network
		}
		var conn net.Conn
		if conn, err = w.Dial(ctx, netip.AddrPortFrom(ip, uint16(n))); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (w *World) addressesOf(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	d, err := mail.ParseDomain(host)
	if err != nil {
		return nil, err
	}
	return LookupHost(ctx, w, d)
}
