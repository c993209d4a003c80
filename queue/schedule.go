package queue

import (
	"math/rand/v2"
	"time"
)

// Schedule says when what could not be delivered is tried again, and until when. The
// zero value is the one of RFC 5321 section 4.5.4.1 as it is practised: a minute at
// first, because most delays are greylisting, four hours in the end; given up after
// five days; the sender told after four hours.
type Schedule struct {
	Delays      []time.Duration // after the first attempt, the second, ...; the last for all others
	Jitter      float64         // part of a delay that is left to chance; zero: 0.2
	Expiry      time.Duration   // given up when older; zero: 5 days
	MinAttempts int             // and tried at least so often; zero: 10
	WarnAfter   time.Duration   // the delay is reported when older; zero: 4 hours; negative: never
}

func defaultDelays() []time.Duration {
	return []time.Duration{
		time.Minute, 4 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour,
	}
}

func (s Schedule) withDefaults() Schedule {
	if len(s.Delays) == 0 {
		s.Delays = defaultDelays()
	}
	if s.Jitter == 0 {
		s.Jitter = 0.2
	}
	if s.Expiry == 0 {
		s.Expiry = 5 * 24 * time.Hour
	}
	if s.MinAttempts == 0 {
		s.MinAttempts = 10
	}
	if s.WarnAfter == 0 {
		s.WarnAfter = 4 * time.Hour
	}
	return s
}

// Next is when to try again what was just tried for the attempts-th time. The part
// left to chance keeps messages apart that failed together.
func (s Schedule) Next(now time.Time, attempts int) time.Time {
	s = s.withDefaults()
	d := s.Delays[min(max(attempts, 1), len(s.Delays))-1]
	return now.Add(d + time.Duration(float64(d)*s.Jitter*(2*rand.Float64()-1)))
}

// Expired reports whether a job that just failed for the attempts-th time is given
// up. Age alone does not decide: a clock that jumped ahead, or a server that was
// off for a week, must not fail what was hardly tried.
func (s Schedule) Expired(now time.Time, queued time.Time, attempts int) bool {
	s = s.withDefaults()
	return now.Sub(queued) >= s.Expiry && attempts >= s.MinAttempts
}

// WarningDue reports whether the delay of a job is to be reported now.
func (s Schedule) WarningDue(now time.Time, j *Job) bool {
	s = s.withDefaults()
	return !j.Warned && s.WarnAfter > 0 && now.Sub(j.Queued) >= s.WarnAfter
}

// horizon is further ahead than any time that this schedule gives: what is due
// later was written under a wrong clock.
func (s Schedule) horizon() time.Duration {
	s = s.withDefaults()
	longest := lookAgain
	for _, d := range s.Delays {
		longest = max(longest, d)
	}
	return 2*longest + time.Hour
}

// lookAgain is how long a parked job rests before its age is looked at.
const lookAgain = 4 * time.Hour
