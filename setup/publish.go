package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// Publisher compares what domains want with what their zones have, and publishes it. It
// writes nothing but through Publish.
type Publisher struct {
	World    *world.World
	Provider zone.Provider // nil: what everybody sees is looked at, and nothing can be published
	Name     string        // of the provider, for the undo file
	Replace  func(name world.Name, kind string) bool
	Data     string        // the data folder, where switches are remembered; "" knows of none
	Wait     time.Duration // until the name servers show it; zero does not wait
	UndoDir  string        // for undo files that are named by zone and time
	UndoFile string        // instead of them
	Waiting  func([]zone.Awaited)
}

// ErrUndo is wrapped by errors about an undo file that could not be kept. Nothing was
// published then.
var ErrUndo = errors.New("how to take it back could not be written")

// ErrNoServers is wrapped by errors about a domain whose zone could not be found.
var ErrNoServers = errors.New("the name servers of the domain were not found")

// Comparison is one domain beside what its zone has.
type Comparison struct {
	Domain  string `json:"domain"`
	Differs bool   `json:"differs"`
	*zone.Plan
	Later []finding.Record `json:"later,omitempty"` // to be written when the mail is here for good
}

// Published is what became of one domain.
type Published struct {
	*Comparison
	Written int      `json:"written"` // sets
	Seen    bool     `json:"seen"`    // at every name server of the zone
	Missing []string `json:"missing,omitempty"`
	Undo    string   `json:"undo,omitempty"` // file
}

// UndoDocument is what an undo file holds: it takes changes of one zone back.
type UndoDocument struct {
	Zone     world.Name    `json:"zone"`
	Provider string        `json:"provider"`
	Time     time.Time     `json:"time"`
	Changes  []zone.Change `json:"changes"` // as they were made
}

// Compare plans for one domain. Errors are those of package zone and of world.
func (p *Publisher) Compare(ctx context.Context, domain mail.Domain, records []finding.Record) (*Comparison, error) {
	at, err := zone.Apex(ctx, p.World, world.NameOf(domain))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoServers, err)
	}
	names := zone.Names(slices.DeleteFunc(slices.Clone(records), func(r finding.Record) bool { return !world.Name(r.Name).IsWithin(at) }))
	var present []zone.Set
	if p.Provider != nil {
		present, err = p.Provider.Read(ctx, at, names)
	} else {
		present, err = zone.Look(ctx, p.World, at, names)
	}
	if err != nil {
		return nil, err
	}
	life := LifeOf(domain, records, present)
	life.Settles, life.Inherits = p.settles(domain), inherited(ctx, p.World, domain)
	inTurn, later := life.inTurn(life.Gentle(records), present)
	plan := zone.NewPlan(at, inTurn, present, p.Replace)
	return &Comparison{domain.String(), plan.Differs() || len(later) > 0, plan, later}, nil
}

// settles reports whether the mail of a domain has just moved here, and may go back.
func (p *Publisher) settles(d mail.Domain) bool {
	if p.Data == "" {
		return false
	}
	st, err := ReadSwitch(p.Data, d)
	return err == nil && st.Phase == Settling
}

// Publish writes how to take it back, then the records, then the MX records, each seen
// before the next.
func (p *Publisher) Publish(ctx context.Context, one *Comparison) (done Published, err error) {
	done = Published{Comparison: one, Seen: true}
	changes := one.Changes()
	if done.Undo, err = p.keepUndo(UndoDocument{one.Zone, p.Name, p.World.Now().UTC(), changes}); err != nil {
		return done, fmt.Errorf("%w: %w", ErrUndo, err)
	}
	for _, part := range inOrder(changes) {
		if err := p.Provider.Write(ctx, one.Zone, part); err != nil {
			return done, err
		}
		done.Written += len(part)
		if p.Wait <= 0 {
			done.Seen = false
		} else if done.Seen, done.Missing = p.await(ctx, one.Zone, part); !done.Seen {
			break
		}
	}
	return done, nil
}

// inOrder puts the MX records behind all else.
func inOrder(changes []zone.Change) [][]zone.Change {
	var first, last []zone.Change
	for _, c := range changes {
		if c.After.Type == "MX" {
			last = append(last, c)
		} else {
			first = append(first, c)
		}
	}
	var parts [][]zone.Change
	for _, part := range [][]zone.Change{first, last} {
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// await waits until the name servers show it, and tells what they do not.
func (p *Publisher) await(ctx context.Context, at world.Name, part []zone.Change) (seen bool, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	err := zone.Await(ctx, p.World, at, part, func(left []zone.Awaited) {
		missing = nil
		for _, l := range left {
			missing = append(missing, l.String())
		}
		if p.Waiting != nil {
			p.Waiting(left)
		}
	})
	if err == nil {
		return true, nil
	}
	return false, missing
}

// keepUndo writes the document before anything else is written, so that a crash in
// between leaves it.
func (p *Publisher) keepUndo(d UndoDocument) (string, error) {
	path := p.UndoFile
	if path == "" {
		name := fmt.Sprintf("%s-%s.json", strings.TrimSuffix(d.Zone.String(), "."), d.Time.Format("20060102T150405.000"))
		path = filepath.Join(p.UndoDir, name)
		if err := os.MkdirAll(p.UndoDir, 0o700); err != nil {
			return "", err
		}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	return path, errors.Join(err, f.Sync(), f.Close())
}
