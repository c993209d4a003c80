package setup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// SwitchPhase is how far a domain is on its way from another server to ours.
type SwitchPhase string

// The phases of a switch, in their order.
const (
	Lowering SwitchPhase = "lower"  // the TTL of the MX records is to be made short
	Waiting  SwitchPhase = "wait"   // everybody is to forget the long one
	Testing  SwitchPhase = "test"   // our server is to take a message for the domain
	Moving   SwitchPhase = "move"   // the MX records are to name our server
	Settling SwitchPhase = "settle" // they do; the old server may still get mail
	Switched SwitchPhase = "done"   // the TTL is long again
)

// Times of a switch.
const (
	shortTTL     = 300                // seconds: how long a way back takes at most
	tolerableTTL = 3600               // where the provider takes nothing shorter
	settleMail   = 3 * 24 * time.Hour // until nobody who remembers the old server can have mail left to try
)

// Switch moves the mail of a live domain: the MX records last of all, when everybody will
// see the change within minutes, and when our server has taken a message for the domain.
// It can be stopped at every point, for days, and goes on where the zone says it is.
type Switch struct {
	World    *world.World
	Provider zone.Provider // nil: a person writes the zone, and is told what
	Name     string        // of the provider, for the undo file
	Domain   mail.Domain
	MX       []string // values that are wanted: "10 mx.example.com."
	Data     string   // the data folder
	// Test passes a message for the domain to our server, as a stranger does, and
	// looks that all else is published. Its error keeps the mail where it is.
	Test func(ctx context.Context) error
}

// SwitchState is what is remembered between two looks. It lies in a file.
type SwitchState struct {
	Domain  string      `json:"domain"`
	Zone    world.Name  `json:"zone"`
	Phase   SwitchPhase `json:"phase"`
	Before  zone.Set    `json:"before"`           // the MX records as they were, with their TTL
	Wanted  []string    `json:"wanted"`           // as they shall be
	Lowered time.Time   `json:"lowered,omitzero"` // every name server showed the short TTL
	Until   time.Time   `json:"until,omitzero"`   // nothing is to be done before
	Tested  time.Time   `json:"tested,omitzero"`  // our server took the message
	Moved   time.Time   `json:"moved,omitzero"`   // every name server showed our MX records
	Undo    string      `json:"undo,omitempty"`   // the file that brings the old MX records back
	Waits   string      `json:"waits,omitempty"`  // for what, in words
}

// ErrSwitchWaits is wrapped by the error of a switch that cannot go on now: time has to
// pass, or a person has to do what Waits says.
var ErrSwitchWaits = errors.New("the switch waits")

// SwitchPath is where the state of a switch lies in a data folder.
func SwitchPath(data string, d mail.Domain) string {
	return filepath.Join(data, "setup", d.String()+".switch.json")
}

// ReadSwitch reads what is remembered of a switch; fs.ErrNotExist when there is none.
func ReadSwitch(data string, d mail.Domain) (SwitchState, error) {
	var st SwitchState
	text, err := os.ReadFile(SwitchPath(data, d))
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	if err != nil {
		return st, fmt.Errorf("read how far the switch of %s is: %w", d, err)
	}
	return st, nil
}

func (s *Switch) save(st SwitchState) error {
	path := SwitchPath(s.Data, s.Domain)
	text, err := json.MarshalIndent(st, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = replaceFile(path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep how far the switch of %s is: %w", s.Domain, err)
	}
	return nil
}

// Go takes the switch as far as it can go now. The error wraps ErrSwitchWaits where it
// goes on later; the state says from where and for what, and is kept.
func (s *Switch) Go(ctx context.Context) (SwitchState, error) {
	st, err := ReadSwitch(s.Data, s.Domain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		st = SwitchState{Domain: s.Domain.String(), Phase: Lowering}
	case err != nil:
		return st, err
	}
	for range maxSteps {
		st.Waits = ""
		st, err = s.step(ctx, st)
		if saveErr := s.save(st); saveErr != nil {
			return st, errors.Join(err, saveErr)
		}
		if err != nil || st.Phase == Switched {
			break
		}
	}
	return st, err
}

// maxSteps is more than a switch has, begun again once.
const maxSteps = 12

// step looks at the zone, and does what the phase is for.
func (s *Switch) step(ctx context.Context, st SwitchState) (SwitchState, error) {
	now, err := s.look(ctx, &st)
	if err != nil {
		return st, err
	}
	ours := sameHosts(now.Values, st.Wanted)
	switch {
	case ours && st.Phase == Switched:
		return st, nil
	case ours && st.Before.Name == "": // it was never elsewhere
		st.Before, st.Phase = now, Switched
		return st, nil
	case ours && st.Moved.IsZero():
		st.Moved, st.Phase, st.Until = s.World.Now(), Settling, s.World.Now().Add(settleMail)
		return st, nil
	case !ours && (st.Before.Name == "" || st.Phase == Settling || st.Phase == Switched || !slices.Equal(now.Values, st.Before.Values)):
		// It begins, or somebody has changed the records, or gone back.
		st = SwitchState{Domain: st.Domain, Zone: st.Zone, Wanted: st.Wanted, Before: now, Phase: Lowering}
	}
	switch st.Phase {
	case Lowering:
		return s.lower(ctx, st, now)
	case Waiting:
		if wait := st.Until.Sub(s.World.Now()); wait > 0 {
			return s.waits(st, "the old TTL of %d seconds runs out at %s", st.Before.TTL, st.Until.UTC().Format("2006-01-02 15:04 UTC"))
		}
		st.Phase = Testing
	case Testing:
		if err := s.policyForbids(ctx, st); err != nil {
			return s.waits(st, "%w", err)
		}
		if err := s.Test(ctx); err != nil {
			return s.waits(st, "%w", err)
		}
		st.Tested, st.Phase = s.World.Now(), Moving
	case Moving:
		return s.move(ctx, st, now)
	case Settling:
		return s.settle(ctx, st, now)
	}
	return st, nil
}

// look is the MX set that all name servers show, with the longest TTL of any.
func (s *Switch) look(ctx context.Context, st *SwitchState) (now zone.Set, err error) {
	at, err := zone.Apex(ctx, s.World, world.NameOf(s.Domain))
	if err != nil {
		return now, fmt.Errorf("switch %s: %w", s.Domain, err)
	}
	sets, err := zone.Everywhere(ctx, s.World, at, world.NameOf(s.Domain), "MX")
	if err != nil {
		return now, fmt.Errorf("switch %s: %w", s.Domain, err)
	}
	st.Zone, now = at, sets[0]
	for _, set := range sets {
		if !slices.Equal(set.Values, now.Values) {
			*st, err = s.waits(*st, "the name servers of %s do not agree yet", at)
			return now, err
		}
		now.TTL = max(now.TTL, set.TTL)
	}
	st.Wanted = nil
	for _, v := range s.MX {
		value, err := zone.Canonical("MX", v)
		if err != nil {
			return now, err
		}
		st.Wanted = append(st.Wanted, value)
	}
	return now, nil
}

// waits is a state that goes on later.
func (s *Switch) waits(st SwitchState, format string, args ...any) (SwitchState, error) {
	why := fmt.Errorf(format, args...)
	st.Waits = why.Error()
	return st, fmt.Errorf("%w: %w", ErrSwitchWaits, why)
}

// lower makes the TTL short. Who still knows the long one knows it for as long as it was.
func (s *Switch) lower(ctx context.Context, st SwitchState, now zone.Set) (SwitchState, error) {
	if len(now.Values) > 0 && now.TTL > shortTTL && now.TTL >= st.Before.TTL {
		if s.Provider == nil {
			return s.waits(st, "set the TTL of the MX records of %s to %d seconds; it is %d", s.Domain, shortTTL, now.TTL)
		}
		if err := s.save(st); err != nil { // who is killed after the next line has to know the long one
			return st, err
		}
		if err := s.setTTL(ctx, st.Zone, now, shortTTL); err != nil {
			return st, err
		}
		shown, err := s.look(ctx, &st)
		if err != nil {
			return st, err
		}
		if shown.TTL > tolerableTTL && shown.TTL >= st.Before.TTL { // it keeps TTLs, or a secondary lags behind
			return s.waits(st, "the name servers show a TTL of %d seconds still; if that stays, set it to %d in the panel of the provider", shown.TTL, shortTTL)
		}
	}
	st.Lowered, st.Phase = s.World.Now(), Waiting
	st.Until = st.Lowered
	if st.Before.TTL > shortTTL {
		st.Until = st.Lowered.Add(time.Duration(st.Before.TTL) * time.Second)
	}
	return st, nil
}

// policyForbids is the error of an MTA-STS policy that keeps mail from our server: senders
// that hold it would not deliver after the move (RFC 8461 section 5).
func (s *Switch) policyForbids(ctx context.Context, st SwitchState) error {
	sts := route.LookupSTS(ctx, s.World, s.Domain)
	if !sts.Usable() || sts.Policy.Mode != route.STSEnforce {
		return nil
	}
	for _, name := range exchangers(st.Wanted) {
		host, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
		if err == nil && !sts.Policy.Allows(host) {
			return fmt.Errorf("the MTA-STS policy at %s does not name %s: add the line \"mx: %s\" to it, change the id in _mta-sts.%s, and wait for a day at least", route.STSPolicyURL(s.Domain), host, host, s.Domain)
		}
	}
	return nil
}

func (s *Switch) setTTL(ctx context.Context, at world.Name, now zone.Set, ttl int) error {
	after := now
	after.TTL = ttl
	if err := s.Provider.Write(ctx, at, []zone.Change{{Before: now, After: after}}); err != nil {
		return fmt.Errorf("change the TTL of the MX records of %s: %w", s.Domain, err)
	}
	return nil
}

// move names our server. How to go back is written first.
func (s *Switch) move(ctx context.Context, st SwitchState, now zone.Set) (SwitchState, error) {
	if s.Provider == nil {
		return s.waits(st, "set the MX records of %s to %s, with a TTL of %d seconds", s.Domain, strings.Join(st.Wanted, " and "), shortTTL)
	}
	after := zone.Set{Name: now.Name, Type: "MX", TTL: shortTTL, Values: st.Wanted}
	changes := []zone.Change{{Before: now, After: after}}
	by := &Publisher{UndoDir: filepath.Join(s.Data, "dns-undo")}
	var err error
	if st.Undo, err = by.keepUndo(UndoDocument{st.Zone, s.Name, s.World.Now().UTC(), changes}); err != nil {
		return st, fmt.Errorf("%w: %w", ErrUndo, err)
	}
	if err := s.save(st); err != nil { // with the way back
		return st, err
	}
	if err := s.Provider.Write(ctx, st.Zone, changes); err != nil {
		return st, fmt.Errorf("move the mail of %s: %w", s.Domain, err)
	}
	return st, s.seen(ctx, &st)
}

// seen looks whether all name servers show the new records; step finds it out by itself
// later, too.
func (s *Switch) seen(ctx context.Context, st *SwitchState) error {
	now, err := s.look(ctx, st)
	if err == nil && !sameHosts(now.Values, st.Wanted) {
		*st, err = s.waits(*st, "the new MX records are written, and not every name server shows them yet")
	}
	if err != nil {
		return err
	}
	st.Moved, st.Phase, st.Until = s.World.Now(), Settling, s.World.Now().Add(settleMail)
	return nil
}

// settle makes the TTL long again when nobody needs to go back any more.
func (s *Switch) settle(ctx context.Context, st SwitchState, now zone.Set) (SwitchState, error) {
	if s.World.Now().Before(st.Until) {
		return s.waits(st, "the mail has moved; until %s leave the old server on, and bring over what it still gets", st.Until.UTC().Format("2006-01-02 15:04 UTC"))
	}
	long := cmp.Or(st.Before.TTL, 3600)
	if now.TTL >= long || s.Provider == nil {
		st.Phase = Switched
		return st, nil
	}
	if err := s.setTTL(ctx, st.Zone, now, long); err != nil {
		return st, err
	}
	st.Phase = Switched
	return st, nil
}

// sameHosts reports whether mail goes to the same hosts.
func sameHosts(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(exchangers(a))), slices.Sorted(slices.Values(exchangers(b))))
}

// OldHosts are the servers that had the mail before.
func (st SwitchState) OldHosts() []string {
	var all []string
	for _, host := range exchangers(st.Before.Values) {
		all = append(all, strings.TrimSuffix(host, "."))
	}
	return all
}
