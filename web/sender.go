package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about devices and API tokens: what sends without being a person.
var (
	TokenAdd     = Call[Token, Secret]{"token.add"}
	TokenList    = Call[None, []Token]{"token.list"}
	TokenRemove  = Call[SenderName, None]{"token.remove"}
	DeviceAdd    = Call[Device, None]{"device.add"}
	DeviceList   = Call[None, []Device]{"device.list"}
	DeviceRemove = Call[SenderName, None]{"device.remove"}
)

// SenderName names a device or a token.
type SenderName struct {
	Name string `json:"name"`
}

// Token is an API token without its secret.
type Token struct {
	Name              string    `json:"name"`
	Owner             string    `json:"owner"` // the account that gets its failures
	From              []string  `json:"from"`  // addresses, or "@example.com"
	RecipientsPerHour int       `json:"recipients_per_hour,omitempty"`
	RecipientsPerDay  int       `json:"recipients_per_day,omitempty"`
	LocalOnly         bool      `json:"local_only,omitempty"`
	Bulk              bool      `json:"bulk,omitempty"` // to many: each message gets a link to unsubscribe
	Created           time.Time `json:"created,omitzero"`
}

// Device is something that is known by its network.
type Device struct {
	Name              string   `json:"name"`
	Networks          []string `json:"networks"`
	From              []string `json:"from"`
	Owner             string   `json:"owner,omitempty"` // absent: the admin
	RecipientsPerHour int      `json:"recipients_per_hour,omitempty"`
	RecipientsPerDay  int      `json:"recipients_per_day,omitempty"`
	LocalOnly         bool     `json:"local_only,omitempty"`
}

func (p people) addSenders(mux *http.ServeMux, check NetworkCheck) {
	answer(mux, TokenAdd, p.addToken)
	answer(mux, TokenList, p.tokens)
	answer(mux, TokenRemove, func(ctx context.Context, in SenderName) (None, error) {
		return None{}, peopleError(p.dir.RemoveToken(ctx, in.Name))
	})
	answer(mux, DeviceAdd, func(ctx context.Context, in Device) (None, error) { return p.addDevice(ctx, in, check) })
	answer(mux, DeviceList, p.devices)
	answer(mux, DeviceRemove, func(ctx context.Context, in SenderName) (None, error) {
		return None{}, peopleError(p.dir.RemoveDevice(ctx, in.Name))
	})
}

func parseSenders(texts []string) ([]account.Sender, error) {
	var all []account.Sender
	for _, text := range texts {
		s, err := account.ParseSender(text)
		if err != nil {
			return nil, peopleError(err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, &Error{Kind: Invalid, Text: "it may write as nobody", Hint: "name addresses or domains with --from"}
	}
	return all, nil
}

// reach wants that somebody reads what is answered to these senders: the first message
// would be refused otherwise, and say so to a program.
func (p people) reach(ctx context.Context, senders []account.Sender) error {
	return p.store.Read(ctx, func(tx *store.Tx) error {
		for _, s := range senders {
			if s.Address.IsZero() {
				if !p.dir.IsLocal(s.Domain) {
					return &Error{Kind: Invalid, Text: fmt.Sprintf("%s is no domain of ours", s.Domain), Hint: "the configuration lists the domains"}
				}
				continue
			}
			switch _, err := p.dir.Resolve(tx, s.Address); {
			case errors.Is(err, account.ErrNotLocal):
				return &Error{Kind: Invalid, Text: fmt.Sprintf("%s is not ours to write as", s.Address), Hint: "the configuration lists the domains"}
			case errors.Is(err, account.ErrNoMailbox):
				return &Error{
					Kind: Invalid, Text: fmt.Sprintf("%s does not exist here, so nobody could answer it", s.Address),
					Hint: fmt.Sprintf("make it lead to somebody first: allgreen account alias add %s --to ...", s.Address),
				}
			case err != nil:
				return peopleError(err)
			}
		}
		return nil
	})
}

func senderNames(all []account.Sender) []string {
	names := []string{}
	for _, s := range all {
		names = append(names, s.String())
	}
	return names
}

func (p people) addToken(ctx context.Context, in Token) (Secret, error) {
	senders, err := parseSenders(in.From)
	if err != nil {
		return Secret{}, err
	}
	if err := p.reach(ctx, senders); err != nil {
		return Secret{}, err
	}
	owner, err := p.find(ctx, in.Owner)
	if err != nil {
		return Secret{}, err
	}
	secret, err := p.dir.AddToken(ctx, account.TokenInfo{
		Name: in.Name, Owner: owner.ID, Senders: senders, LocalOnly: in.LocalOnly, Bulk: in.Bulk,
		Limits: account.Limits{PerHour: in.RecipientsPerHour, PerDay: in.RecipientsPerDay},
	})
	return Secret{secret}, peopleError(err)
}

func (p people) tokens(ctx context.Context, _ None) ([]Token, error) {
	found, err := p.dir.Tokens(ctx)
	if err != nil {
		return nil, peopleError(err)
	}
	names, err := p.names(ctx)
	all := make([]Token, 0, len(found))
	for _, t := range found {
		all = append(all, Token{
			Name: t.Name, Owner: names[t.Owner], From: senderNames(t.Senders), LocalOnly: t.LocalOnly, Bulk: t.Bulk,
			RecipientsPerHour: t.Limits.PerHour, RecipientsPerDay: t.Limits.PerDay, Created: inUTC(t.Created),
		})
	}
	return all, err
}

// addDevice refuses networks behind which strangers look local.
func (p people) addDevice(ctx context.Context, in Device, check NetworkCheck) (None, error) {
	dev := account.Device{Name: in.Name, LocalOnly: in.LocalOnly, Limits: account.Limits{PerHour: in.RecipientsPerHour, PerDay: in.RecipientsPerDay}}
	var err error
	if dev.Senders, err = parseSenders(in.From); err != nil {
		return None{}, err
	}
	if err := p.reach(ctx, dev.Senders); err != nil {
		return None{}, err
	}
	for _, text := range in.Networks {
		network, err := parseNetwork(text)
		if err != nil {
			return None{}, &Error{Kind: Invalid, Text: text + " is no network", Hint: "write it as 192.168.1.20 or 192.168.1.0/28"}
		}
		dev.Networks = append(dev.Networks, network)
	}
	if in.Owner != "" {
		if dev.Owner, err = mail.ParseAddress(in.Owner); err != nil {
			return None{}, peopleError(err)
		}
	}
	if err := check(dev.Networks); err != nil {
		return None{}, peopleError(err)
	}
	return None{}, peopleError(p.dir.AddDevice(ctx, dev))
}

func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

func (p people) devices(ctx context.Context, _ None) ([]Device, error) {
	found, err := p.dir.Devices(ctx)
	all := make([]Device, 0, len(found))
	for _, d := range found {
		dev := Device{
			Name: d.Name, Networks: []string{}, From: senderNames(d.Senders), Owner: d.Owner.String(), LocalOnly: d.LocalOnly,
			RecipientsPerHour: d.Limits.PerHour, RecipientsPerDay: d.Limits.PerDay,
		}
		for _, n := range d.Networks {
			dev.Networks = append(dev.Networks, n.String())
		}
		all = append(all, dev)
	}
	return all, peopleError(err)
}
