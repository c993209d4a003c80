package pages

import (
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/web"
)

// flowSpan is how far back the page looks, in bars of one length.
type flowSpan struct {
	Name  string // in the address
	Title string
	bars  int
	bar   time.Duration
}

// flowSpans are those to choose from.
var flowSpans = []flowSpan{
	{"day", "day", 24, time.Hour},
	{"week", "week", 28, 6 * time.Hour},
	{"month", "30 days", 30, 24 * time.Hour},
	{"year", "year", 53, 7 * 24 * time.Hour},
}

// spanOf is the one that was asked for, a week where none was.
func spanOf(r *http.Request) flowSpan {
	for _, span := range flowSpans {
		if span.Name == r.FormValue("span") {
			return span
		}
	}
	return flowSpans[1]
}

// begins are the times at which the bars begin, the last of them holding now.
func (f flowSpan) begins(now time.Time) []time.Time {
	first := now.UTC().Truncate(min(f.bar, 24*time.Hour)).Add(-time.Duration(f.bars-1) * f.bar)
	all := make([]time.Time, f.bars)
	for i := range all {
		all[i] = first.Add(time.Duration(i) * f.bar)
	}
	return all
}

// flowPage is how much mail goes through here, and what does not.
type flowPage struct {
	Span   flowSpan
	Spans  []flowSpan
	Charts []*chart
	Queue  web.QueuePage
	Waits  []web.QueueDestination
	Held   []web.Held
}

// Begin is the first moment of the charts.
func (f flowPage) Begin() time.Time { return f.Charts[0].Bins[0].Begin }

// usualWaits is how many destinations the page names.
const usualWaits = 15

// flow is the overview of mail: in, out, refused, waiting.
func (s *Site) flow(w http.ResponseWriter, r *http.Request) {
	page := flowPage{Span: spanOf(r), Spans: flowSpans}
	now := s.o.World.Now()
	begins := page.Span.begins(now)
	volumes, err := web.LogVolumes.Do(r.Context(), s.o.Client, web.VolumeQuery{
		Since: begins[0], Until: now.Add(time.Hour), Days: page.Span.bar >= 24*time.Hour,
	})
	if err == nil {
		page.Queue, err = web.QueueList.Do(r.Context(), s.o.Client, web.QueueQuery{Limit: 1})
	}
	if err == nil {
		page.Waits, err = web.QueueDestinations.Do(r.Context(), s.o.Client, web.DestinationQuery{Limit: usualWaits})
	}
	if err == nil {
		page.Held, err = web.PrincipalsOnHold.Do(r.Context(), s.o.Client, web.None{})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Charts = flowCharts(begins, volumes)
	s.render(w, r, "flow", "Mail flow", page)
}

// flowCharts are mail that came, and mail that went.
func flowCharts(begins []time.Time, volumes []web.Volume) []*chart {
	all := []*chart{
		newChart("Mail from others", begins,
			series{Name: "accepted", Class: "green", kinds: []string{"received"}},
			series{Name: "put off", Class: "yellow", kinds: []string{"temp-refused"}},
			series{Name: "refused", Class: "red", kinds: []string{"refused"}}),
		newChart("Mail to others", begins,
			series{Name: "sent", Class: "green", kinds: []string{"sent"}},
			series{Name: "deferred", Class: "yellow", kinds: []string{"deferred"}},
			series{Name: "failed", Class: "red", kinds: []string{"bounced"}}),
	}
	for _, v := range volumes {
		for _, c := range all {
			c.add(v.Time, v.Events)
		}
	}
	return all
}
