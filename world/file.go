package world

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// File is a world written down, as `lab` leaves it for --lab and tests use it.
type File struct {
	Resolvers    []netip.AddrPort `json:"resolvers"`               // sockets on this machine
	TrustAnchors []string         `json:"trust_anchors,omitempty"` // DS or DNSKEY records of the root
	Roots        string           `json:"roots,omitempty"`         // PEM certificates trusted for TLS
	Page         string           `json:"page,omitempty"`          // the URL of the page, for people
	PID          int              `json:"pid,omitempty"`           // who keeps this world alive
	Server       string           `json:"server,omitempty"`        // the data folder of our own server in it
	Probe        Probe            `json:"probe,omitzero"`
	Greeters     []string         `json:"greeters,omitempty"` // domains whose MX hosts greet everybody
	Mirrors      []string         `json:"mirrors,omitempty"`  // STUN servers, "host" or "host:port"
	Map
}

// Options are what a caller may set when it opens a world. The zero value takes
// everything from the system or the file.
type Options struct {
	Resolvers []netip.AddrPort // instead of the system's or the file's
	Trusted   []netip.AddrPort // resolvers whose AD bit is believed: ours, on this machine
	Timeout   time.Duration    // for one DNS question, all resolvers and tries; zero: 10 s
}

// ErrWorldFile is wrapped by every error about a file that cannot be used.
var ErrWorldFile = errors.New("not a world file")

// System is the Internet as this machine sees it: the resolvers of its
// resolv.conf, its trust store, the root zone's published trust anchors.
func System(o Options) (*World, error) {
	if len(o.Resolvers) == 0 {
		resolvers, err := systemResolvers("/etc/resolv.conf")
		if err != nil {
			return nil, err
		}
		o.Resolvers = resolvers
	}
	w := &World{Network: Machine()}
	if err := w.connect(o, rootAnchors); err != nil {
		return nil, err
	}
	return w, nil
}

// Open reads a world from a file.
func Open(path string, o Options) (*World, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return f.World(o)
}

// ReadFile reads the file without opening the world.
func ReadFile(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f File
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%w: %s: %s", ErrWorldFile, path, err)
	}
	return &f, nil
}

// Write leaves the world where others can open it, whole or not at all.
func (f *File) Write(path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// World opens the world that the file describes.
func (f *File) World(o Options) (*World, error) {
	if len(o.Resolvers) == 0 {
		o.Resolvers = f.Resolvers
	}
	w := &World{Network: Machine(), Map: f.Map, Probe: f.Probe, Greeters: f.Greeters, Mirrors: f.Mirrors}
	if f.Roots != "" {
		w.Roots = x509.NewCertPool()
		if !w.Roots.AppendCertsFromPEM([]byte(f.Roots)) {
			return nil, fmt.Errorf("%w: it has no usable root certificate", ErrWorldFile)
		}
	}
	if err := w.connect(o, f.TrustAnchors); err != nil {
		return nil, err
	}
	return w, nil
}
