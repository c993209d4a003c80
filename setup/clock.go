package setup

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
)

// How far the clock may be wrong. Signatures and logins by codes tolerate less than a
// person notices, and the Date of a web server is as exact as a second.
const (
	clockTolerance = time.Minute
	clockLimit     = 10 * time.Minute
	clockPatience  = 10 * time.Second
)

const clockCure = "have it set from the network:"

const clockCommand = "timedatectl set-ntp true"

// lookAtClock compares the clock with that of the first web server that answers.
func (s *Setup) lookAtClock(ctx context.Context, out *Outcome) {
	var last error
	for _, url := range s.Clocks {
		there, err := s.askTime(ctx, url)
		if err != nil {
			last = err
			continue
		}
		off := s.World.Now().Sub(there).Round(time.Second)
		switch {
		case off.Abs() <= clockTolerance:
			out.note(finding.Green, "the clock is right", "")
		case off.Abs() <= clockLimit:
			out.note(finding.Yellow, fmt.Sprintf("the clock is wrong by %s", off.Abs()), clockCure, clockCommand)
		default:
			out.stop(fmt.Sprintf("the clock is wrong by %s: certificates and signatures fail", off.Abs()), clockCure, clockCommand)
		}
		return
	}
	if last != nil {
		out.note(finding.Unknown, fmt.Sprintf("whether the clock is right could not be seen: %s", last), clockCure, clockCommand)
	}
}

// askTime is the Date of an answer (RFC 9110 section 6.6.1). A clock that is wrong by
// years may make the certificate invalid, which the error says.
func (s *Setup) askTime(ctx context.Context, url string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}, err
	}
	answer, err := s.World.HTTPClient(clockPatience).Do(request)
	if err != nil {
		return time.Time{}, err
	}
	defer answer.Body.Close()
	return http.ParseTime(answer.Header.Get("Date"))
}
