package monitor

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// state is how the watch itself does.
type state struct {
	mu      sync.Mutex
	looked  time.Time
	err     error
	beat    time.Time
	beatErr error
}

// note keeps how a round ended.
func (s *state) note(now time.Time, full bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; full && err == nil {
		s.looked = now
	}
}

// noteBeat keeps how the last heartbeat went.
func (s *state) noteBeat(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beatErr = err; err == nil {
		s.beat = now
	}
}

// Stats is how the watch does.
type Stats struct {
	Looked    time.Time // the last full look of this process that was noted; zero: none yet
	LookError error     // why the last look was not noted
	Beat      time.Time // the last heartbeat that was taken
	BeatError error     // of the last one
	Channels  []ChannelStats
	Next      time.Time // look, full or at what is on trial
}

// ChannelStats is how one channel does.
type ChannelStats struct {
	Name    string
	Owed    int       // changes that it was not told yet
	Failing time.Time // since when; zero: it is not
	Error   error
}

// Stats is how the watch does, now.
func (m *Monitor) Stats(ctx context.Context) (Stats, error) {
	var owed map[string]int
	err := m.Store.Read(ctx, func(tx *store.Tx) (err error) {
		owed, err = countOwed(tx)
		return err
	})
	m.state.mu.Lock()
	s := Stats{Looked: m.state.looked, LookError: m.state.err, Beat: m.state.beat, BeatError: m.state.beatErr, Next: m.schedule.next()}
	m.state.mu.Unlock()
	m.speaker.mu.Lock()
	defer m.speaker.mu.Unlock()
	for _, c := range m.settings.Load().Channels {
		one := ChannelStats{Name: c.Name, Owed: owed[c.Name]}
		if a := m.speaker.channels[c.Name]; a != nil {
			one.Failing, one.Error = a.failing, a.err
		}
		s.Channels = append(s.Channels, one)
	}
	slices.SortFunc(s.Channels, func(a, b ChannelStats) int { return strings.Compare(a.Name, b.Name) })
	return s, err
}
