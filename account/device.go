package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Device is something that cannot log in and is known by its network: a printer, a
// camera, an application.
type Device struct {
	Name      string // "printer"; the principal is "device:printer"
	Networks  []netip.Prefix
	Senders   []Sender     // what may stand in From; none: nothing may
	Owner     mail.Address // gets its failures; zero: the admin
	Limits    Limits
	LocalOnly bool
}

// checkName is for names that stand in principals, logs and on command lines.
func checkName(name string) error {
	if name == "" || len(name) > 64 || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return fmt.Errorf("%q is not a name: use up to 64 letters, digits, dots, hyphens and underscores", name)
	}
	return nil
}

// AddDevice adds a device to those of the configuration, or changes it. CheckNetworks is
// the caller's to ask: only it knows the gateways.
func (d *Directory) AddDevice(ctx context.Context, dev Device) error {
	if err := checkName(dev.Name); err != nil {
		return fmt.Errorf("add device: %w", err)
	}
	if slices.ContainsFunc(d.settings.Load().devices, func(c Device) bool { return c.Name == dev.Name }) {
		return fmt.Errorf("add device %s: %w", dev.Name, ErrInFile)
	}
	if len(dev.Networks) == 0 {
		return fmt.Errorf("add device %s: it has no network", dev.Name)
	}
	var networks []string
	for _, n := range dev.Networks {
		networks = append(networks, n.Masked().String())
	}
	return d.change(ctx, "add device "+dev.Name, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO account_device (name, networks, senders, owner, per_hour, per_day, local_only)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET networks = excluded.networks, senders = excluded.senders,
			owner = excluded.owner, per_hour = excluded.per_hour, per_day = excluded.per_day, local_only = excluded.local_only`,
			dev.Name, strings.Join(networks, "\n"), joinSenders(dev.Senders), dev.Owner.String(), dev.Limits.PerHour, dev.Limits.PerDay, dev.LocalOnly)
		return err
	})
}

// RemoveDevice removes a device from the tables; those of the configuration stay, and to
// remove one of them is ErrInFile.
func (d *Directory) RemoveDevice(ctx context.Context, name string) error {
	err := d.removeStoredDevice(ctx, name)
	if errors.Is(err, ErrNotFound) && slices.ContainsFunc(d.settings.Load().devices, func(c Device) bool { return c.Name == name }) {
		return fmt.Errorf("remove device %s: %w", name, ErrInFile)
	}
	return err
}

func (d *Directory) removeStoredDevice(ctx context.Context, name string) error {
	return d.remove(ctx, "remove device "+name, `DELETE FROM account_device WHERE name = $1`, name)
}

// Devices lists all devices, those of the configuration first.
func (d *Directory) Devices(ctx context.Context) (all []Device, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all, err = d.allDevices(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return slices.Clone(all), nil
}

// allDevices are remembered like recipients are.
func (d *Directory) allDevices(tx *store.Tx) ([]Device, error) {
	if err := d.fresh(tx); err != nil {
		return nil, err
	}
	if all, ok := d.cache.getDevices(); ok {
		return all, nil
	}
	stamp, err := readStamp(tx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(d.settings.Load().devices)
	stored, err := readDevices(tx)
	if err != nil {
		return nil, err
	}
	for _, dev := range stored {
		if !slices.ContainsFunc(all, func(c Device) bool { return c.Name == dev.Name }) {
			all = append(all, dev)
		}
	}
	d.cache.putDevices(all, stamp)
	return all, nil
}

func (c *cache) getDevices() ([]Device, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.devices, c.hasDevices
}

func (c *cache) putDevices(all []Device, stamp int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp == c.stamp {
		c.devices, c.hasDevices = all, true
	}
}

func readDevices(tx *store.Tx) (all []Device, err error) {
	rows, err := tx.Rows(`SELECT name, networks, senders, owner, per_hour, per_day, local_only FROM account_device ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var dev Device
		var networks, senders, owner string
		if err := rows.Scan(&dev.Name, &networks, &senders, &owner, &dev.Limits.PerHour, &dev.Limits.PerDay, &dev.LocalOnly); err != nil {
			return nil, err
		}
		if err := dev.decode(networks, senders, owner); err != nil {
			return nil, fmt.Errorf("device %s: %w", dev.Name, err)
		}
		all = append(all, dev)
	}
	return all, rows.Err()
}

func (dev *Device) decode(networks, senders, owner string) (err error) {
	for line := range strings.Lines(networks) {
		n, err := netip.ParsePrefix(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		dev.Networks = append(dev.Networks, n)
	}
	if dev.Senders, err = splitSenders(senders); err != nil || owner == "" {
		return err
	}
	dev.Owner, err = mail.ParseAddress(owner)
	return err
}

// Device is the device at an address: of those whose networks hold it, the one with
// the narrowest. ErrNoDevice when there is none.
func (d *Directory) Device(ctx context.Context, ip netip.Addr) (p Principal, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all, err := d.allDevices(tx)
		if err != nil {
			return err
		}
		dev, ok := narrowest(all, ip.Unmap().WithZone(""))
		if !ok {
			return ErrNoDevice
		}
		p = Principal{Kind: Appliance, Name: "device:" + dev.Name, Senders: dev.Senders, Limits: dev.Limits, LocalOnly: dev.LocalOnly}
		if p.Owner, err = d.ownerOfDevice(tx, dev); err != nil && !errors.Is(err, ErrNoAdmin) {
			return err
		}
		p.Held, err = isHeld(tx, p.Name)
		return err
	})
	if err != nil {
		return Principal{}, fmt.Errorf("device at %s: %w", ip, err)
	}
	return p, nil
}

func narrowest(all []Device, ip netip.Addr) (found Device, ok bool) {
	bits := -1
	for _, dev := range all {
		for _, n := range dev.Networks {
			if n.Contains(ip) && n.Bits() > bits {
				found, ok, bits = dev, true, n.Bits()
			}
		}
	}
	return found, ok
}

func (d *Directory) ownerOfDevice(tx *store.Tx, dev Device) (ID, error) {
	if dev.Owner.IsZero() {
		return d.adminOfFirst(tx)
	}
	return d.ownerOfAddress(tx, dev.Owner.String())
}
