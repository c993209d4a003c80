package account

import (
	"fmt"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

const (
	cacheSize = 8192        // recipients in each of the two generations
	recheck   = time.Second // the stamp is read again after this, woken or not
)

// cache remembers resolved recipients and the devices of one stamp. What is asked for
// again moves from the old generation to the young one; when the young one is full,
// the old one is dropped.
type cache struct {
	mu         sync.Mutex
	stamp      int64
	checked    time.Time // when stamp was read; zero: it may be old
	young, old map[mail.Address]Destination
	devices    []Device
	hasDevices bool
}

// forget drops everything.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old, c.devices, c.hasDevices = nil, nil, nil, false
	c.checked = time.Time{}
}

// suspect has the stamp read before the next answer.
func (c *cache) suspect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = time.Time{}
}

// fresh makes sure that the cache has the stamp that tx sees, reading it only when
// there is a reason to.
func (d *Directory) fresh(tx *store.Tx) error {
	select {
	case <-d.watch.C():
		d.cache.suspect()
	default:
	}
	now := d.now()
	if d.cache.isChecked(now) {
		return nil
	}
	stamp, err := readStamp(tx)
	if err != nil {
		return err
	}
	d.cache.renew(stamp, now)
	return nil
}

func readStamp(tx *store.Tx) (stamp int64, err error) {
	if err = tx.Row(`SELECT stamp FROM account_stamp`).Scan(&stamp); err != nil {
		return 0, fmt.Errorf("read the directory's stamp: %w", err)
	}
	return stamp, nil
}

func (c *cache) isChecked(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.checked)
	return !c.checked.IsZero() && age >= 0 && age < recheck
}

func (c *cache) renew(stamp int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp != c.stamp {
		c.young, c.old, c.devices, c.hasDevices = nil, nil, nil, false
	}
	c.stamp, c.checked = stamp, now
}

func (c *cache) get(a mail.Address) (Destination, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to, ok := c.young[a]; ok {
		return to, true
	}
	to, ok := c.old[a]
	if ok {
		c.add(a, to)
	}
	return to, ok
}

// put remembers an answer that was found under a stamp.
func (c *cache) put(a mail.Address, to Destination, stamp int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp == c.stamp {
		c.add(a, to)
	}
}

func (c *cache) add(a mail.Address, to Destination) {
	if len(c.young) >= cacheSize {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = map[mail.Address]Destination{}
	}
	c.young[a] = to
}
