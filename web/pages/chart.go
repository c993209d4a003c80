package pages

import (
	"fmt"
	"time"
)

// chart is a row of stacked bars over time, drawn on the server. What it shows stands
// beside it in words and in a table.
type chart struct {
	Title  string
	Series []series
	Bins   []bin
	Most   int64 // in one bin
}

// series is one colour of the bars.
type series struct {
	Name  string
	Class string // of the style
	Total int64
	kinds []string
}

// bin is one bar: a span of time, and how many of each series.
type bin struct {
	Begin  time.Time
	Counts []int64
}

// sum is how high the bar is.
func (b bin) sum() (n int64) {
	for _, c := range b.Counts {
		n += c
	}
	return n
}

// chartWidth and chartHeight are in units of the drawing, which fits any width.
const (
	chartWidth  = 480
	chartHeight = 120
)

// Width is that of the drawing.
func (chart) Width() int { return chartWidth }

// Height is that of the drawing.
func (chart) Height() int { return chartHeight }

// rect is a piece of a bar.
type rect struct {
	X, Y, W, H string
	Class      string
}

// Rects are the pieces of all bars, each on top of the one before. What is there at all
// is at least a line.
func (c chart) Rects() (all []rect) {
	if c.Most == 0 || len(c.Bins) == 0 {
		return nil
	}
	room := float64(chartWidth) / float64(len(c.Bins))
	for i, b := range c.Bins {
		top := float64(chartHeight)
		for n, count := range b.Counts {
			if count == 0 {
				continue
			}
			height := max(1, float64(count)/float64(c.Most)*chartHeight)
			top -= height
			all = append(all, rect{
				X: units(float64(i) * room), Y: units(max(0, top)), W: units(room * 0.8), H: units(height), Class: c.Series[n].Class,
			})
		}
	}
	return all
}

func units(f float64) string { return fmt.Sprintf("%.1f", f) }

// Words say what the drawing shows.
func (c chart) Words() string {
	text := c.Title
	for i, s := range c.Series {
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		text += fmt.Sprintf("%s%d %s", separator, s.Total, s.Name)
	}
	return text
}

// add counts events into the bin of a time.
func (c *chart) add(at time.Time, events map[string]int64) {
	i := len(c.Bins) - 1
	for i > 0 && at.Before(c.Bins[i].Begin) {
		i--
	}
	if i < 0 || at.Before(c.Bins[i].Begin) {
		return
	}
	for n := range c.Series {
		for _, kind := range c.Series[n].kinds {
			c.Bins[i].Counts[n] += events[kind]
			c.Series[n].Total += events[kind]
		}
	}
	c.Most = max(c.Most, c.Bins[i].sum())
}

// newChart has empty bins that begin at these times.
func newChart(title string, begins []time.Time, all ...series) *chart {
	c := &chart{Title: title, Series: all}
	for _, begin := range begins {
		c.Bins = append(c.Bins, bin{begin, make([]int64, len(all))})
	}
	return c
}
