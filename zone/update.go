package zone

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// Update speaks RFC 2136 to a primary name server, over TCP and, with a key, signed by
// TSIG (RFC 8945). All changes of one Write are done or none, on the condition that the
// sets are as they were read.
type Update struct {
	World  *world.World
	Server netip.AddrPort // not valid: the primary that the SOA record of the zone names, port 53
	Key    Key
}

// Key is a TSIG key. The zero value signs nothing.
type Key struct {
	Name      world.Name
	Algorithm string // "hmac-sha256", -sha384, -sha512; "" is the first
	Secret    string // in base64, as tsig-keygen prints it
}

// ErrKey is wrapped by errors about a TSIG key that is none.
var ErrKey = errors.New("no TSIG key")

// Check finds out whether the key can be used at all.
func (k Key) Check() error {
	if k == (Key{}) {
		return nil
	}
	if _, err := k.algorithm(); err != nil {
		return err
	}
	if _, err := base64.StdEncoding.DecodeString(k.Secret); err != nil || k.Secret == "" || k.Name == "" {
		return fmt.Errorf("%w: it needs a name, and a secret in base64 as tsig-keygen prints it", ErrKey)
	}
	return nil
}

func (k Key) algorithm() (string, error) {
	switch strings.ToLower(strings.TrimSuffix(k.Algorithm, ".")) {
	case "", "hmac-sha256":
		return dns.HmacSHA256, nil
	case "hmac-sha384":
		return dns.HmacSHA384, nil
	case "hmac-sha512":
		return dns.HmacSHA512, nil
	}
	return "", fmt.Errorf("%w: the algorithm %q is not hmac-sha256, hmac-sha384 or hmac-sha512", ErrKey, k.Algorithm)
}

// updatePatience bounds one question or update.
const updatePatience = 20 * time.Second

// tsigFudge is how far clocks may differ, in seconds (RFC 8945 section 10).
const tsigFudge = 300

// readTypes are what is looked for at each name: what mail needs, and what stands in
// its way.
var readTypes = []uint16{
	dns.TypeCNAME, dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeCAA, dns.TypeTLSA, dns.TypeNS,
}

// Read asks the server for every type at every name.
func (u *Update) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	c, err := u.open(ctx, zone)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []Set
	for _, name := range names {
		found, err := c.at(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// Write sends one UPDATE message.
func (u *Update) Write(ctx context.Context, zone world.Name, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	m := new(dns.Msg).SetUpdate(zone.String())
	for _, c := range changes {
		if err := addChange(m, c); err != nil {
			return err
		}
	}
	c, err := u.open(ctx, zone)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.exchange(ctx, m)
	if err != nil {
		return fmt.Errorf("update %s: %w", zone, err)
	}
	return updated(zone, answer)
}

// addChange adds the condition and the change (RFC 2136 sections 2.4 and 2.5).
func addChange(m *dns.Msg, c Change) error {
	before, err := records(c.Before)
	if err != nil {
		return err
	}
	after, err := records(c.After)
	if err != nil {
		return err
	}
	header := dns.RR_Header{Name: c.After.Name.String(), Rrtype: dns.StringToType[c.After.Type], Class: dns.ClassINET}
	if len(before) > 0 {
		m.Used(before)
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: header}})
	} else {
		m.RRsetNotUsed([]dns.RR{&dns.ANY{Hdr: header}})
	}
	if len(after) > 0 {
		m.Insert(after)
	}
	return nil
}

func records(s Set) ([]dns.RR, error) {
	var all []dns.RR
	for _, v := range s.Values {
		value, err := Canonical(s.Type, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.seconds(), s.Type, value))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		all = append(all, rr)
	}
	return all, nil
}

// updated is what the answer to an UPDATE means (RFC 2136 section 2.2).
func updated(zone world.Name, answer *dns.Msg) error {
	switch answer.Rcode {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeNameError, dns.RcodeYXDomain:
		return fmt.Errorf("update %s: %w", zone, ErrChanged)
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return fmt.Errorf("update %s: %w: it has not this zone, or does not know the key", zone, ErrNoZone)
	}
	return fmt.Errorf("update %s: %w: %s", zone, ErrRefused, dns.RcodeToString[answer.Rcode])
}

// dialogue is a connection to the server.
type dialogue struct {
	net.Conn
	update    *Update
	algorithm string
	secrets   map[string]string // of the key, by its name; nil: nothing is signed
}

func (u *Update) open(ctx context.Context, zone world.Name) (*dialogue, error) {
	if err := u.Key.Check(); err != nil {
		return nil, err
	}
	algorithm, err := u.Key.algorithm()
	if err != nil {
		return nil, err
	}
	at := u.Server
	if !at.IsValid() {
		if at, err = u.primary(ctx, zone); err != nil {
			return nil, err
		}
	}
	dialing, cancel := context.WithTimeout(ctx, updatePatience)
	defer cancel()
	conn, err := u.World.Dial(dialing, at)
	if err != nil {
		return nil, fmt.Errorf("reach the name server %s: %w", at, err)
	}
	d := &dialogue{Conn: conn, update: u, algorithm: algorithm}
	if u.Key != (Key{}) {
		d.secrets = map[string]string{u.keyName(): u.Key.Secret}
	}
	return d, nil
}

func (u *Update) keyName() string { return dns.CanonicalName(u.Key.Name.String()) }

// primary is the server that the SOA record names.
func (u *Update) primary(ctx context.Context, zone world.Name) (netip.AddrPort, error) {
	answer, err := u.World.Lookup(ctx, zone, dns.TypeSOA)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find the primary of %s: %w", zone, err)
	}
	for _, rr := range answer.Records {
		soa, ok := rr.(*dns.SOA)
		if !ok {
			continue
		}
		host, err := world.ParseName(soa.Ns)
		if err != nil {
			return netip.AddrPort{}, err
		}
		ips, err := world.LookupAddresses(ctx, u.World, host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("find the primary of %s: %w", zone, err)
		}
		return netip.AddrPortFrom(ips[0], 53), nil
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrNoZone, zone)
}

// exchange sends one message and reads its answer, both signed where there is a key.
func (d *dialogue) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	stop := context.AfterFunc(ctx, func() { d.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	d.SetDeadline(time.Now().Add(updatePatience)) // deadline
	if d.secrets != nil {
		m.SetTsig(d.update.keyName(), d.algorithm, tsigFudge, d.update.World.Now().Unix())
	}
	one := &dns.Conn{Conn: d.Conn, TsigSecret: d.secrets} // it chains the signatures of all its messages
	if err := one.WriteMsg(m); err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	answer, err := one.ReadMsg()
	switch {
	case answer != nil && answer.Rcode == dns.RcodeNotAuth:
		return nil, fmt.Errorf("%w: it does not take the key: %s", ErrRefused, tsigError(answer))
	case err != nil:
		return nil, errors.Join(err, ctx.Err())
	case answer.Id != m.Id || !answer.Response:
		return nil, errors.New("an answer to another question")
	case d.secrets != nil && answer.IsTsig() == nil:
		return nil, fmt.Errorf("%w: its answer is not signed (%s)", ErrRefused, dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

// tsigError is why a server does not take a signature (RFC 8945 section 5.3.2).
func tsigError(m *dns.Msg) string {
	t := m.IsTsig()
	if t == nil {
		return "NOTAUTH"
	}
	switch int(t.Error) {
	case dns.RcodeBadSig:
		return "BADSIG, the secret is another"
	case dns.RcodeBadKey:
		return "BADKEY, it knows no key " + t.Hdr.Name
	case dns.RcodeBadTime:
		return "BADTIME, the clocks differ"
	}
	return "NOTAUTH"
}

// at are the sets of one name.
func (d *dialogue) at(ctx context.Context, name world.Name) ([]Set, error) {
	var all []Set
	for _, kind := range readTypes {
		m := new(dns.Msg).SetQuestion(name.String(), kind)
		m.RecursionDesired = false
		answer, err := d.exchange(ctx, m)
		switch {
		case err != nil:
			return nil, err
		case answer.Rcode == dns.RcodeNameError:
			return nil, nil
		case answer.Rcode != dns.RcodeSuccess:
			return nil, fmt.Errorf("%w: %s", ErrRefused, dns.RcodeToString[answer.Rcode])
		case !answer.Authoritative && !isBelowCut(answer, name):
			return nil, fmt.Errorf("%w: it is no authority for %s", ErrNoZone, name)
		}
		if set := setIn(answer.Answer, name, dns.TypeToString[kind]); len(set.Values) > 0 {
			all = append(all, set)
			if kind == dns.TypeCNAME {
				return all, nil // nothing stands beside it (RFC 1034 section 3.6.2)
			}
		}
	}
	return all, nil
}

// isBelowCut reports whether the server says that another zone has the name.
func isBelowCut(m *dns.Msg, name world.Name) bool {
	return slices.ContainsFunc(m.Ns, func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeNS && name.IsWithin(world.Name(dns.CanonicalName(rr.Header().Name)))
	})
}
