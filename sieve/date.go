package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/message"
)

// dateParts are the parts of RFC 5260 section 4.2.
var dateParts = []string{
	"year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
}

// date is the tests "date" and "currentdate" of RFC 5260 sections 4 and 5.
func (c *compiler) date(n *node) (test, error) {
	s := signature{needs: []string{"date"}, arguments: []form{oneString, stringList}, tags: append([]tagForm{
		{name: "zone", value: oneString, group: "zone"},
	}, matchTags...)}
	isCurrent := n.name == "currentdate"
	if !isCurrent {
		s.arguments = []form{oneString, oneString, stringList}
		s.tags = slices.Concat(s.tags, indexTags, []tagForm{{name: "originalzone", group: "zone"}})
	}
	t, err := c.take(n, s)
	if err != nil {
		return nil, err
	}
	zone, err := c.zone(t)
	if err != nil {
		return nil, err
	}
	a := t.arguments[len(t.arguments)-2]
	part := strings.ToLower(a.strings[0].text)
	if !slices.Contains(dateParts, part) {
		return nil, c.fail(a.at, `a date has no part "%s"; there are %s`, a.strings[0].text, strings.Join(dateParts, ", "))
	}
	m, err := c.matcher(t)
	if err != nil || isCurrent {
		return func(r *run) (bool, error) {
			return m.any(r, []string{datePart(zone(r, r.message.Now), part)})
		}, err
	}
	return c.dateOf(t, m, zone, part)
}

// dateOf is the test "date": of the field that was chosen, the first one otherwise
// (section 4).
func (c *compiler) dateOf(t taken, m *matcher, zone func(*run, time.Time) time.Time, part string) (test, error) {
	which, err := c.choice(t)
	if err != nil {
		return nil, err
	}
	if which.index == 0 {
		which.index = 1
	}
	names, err := c.fieldNames(t.arguments[0])
	return func(r *run) (bool, error) {
		name, err := r.say(names[0])
		if err != nil {
			return false, err
		}
		for _, f := range which.of(r.message.Header, name) {
			if at, ok := dateIn(f); ok {
				return m.any(r, []string{datePart(zone(r, at), part)})
			}
		}
		return false, nil
	}, err
}

// zone is the zone that a date is told in (section 4.1).
func (c *compiler) zone(t taken) (func(*run, time.Time) time.Time, error) {
	a, said := t.tags["zone"]
	switch {
	case said:
		at, err := time.Parse("-0700", a.strings[0].text)
		if err != nil {
			return nil, c.fail(a.at, `a zone looks like "+0100"`)
		}
		_, offset := at.Zone()
		where := time.FixedZone("", offset)
		return func(_ *run, d time.Time) time.Time { return d.In(where) }, nil
	case t.has("originalzone"):
		return func(_ *run, d time.Time) time.Time { return d }, nil
	}
	return func(r *run, d time.Time) time.Time { return d.In(r.message.Now.Location()) }, nil
}

// dateIn reads the date in a field; it may stand behind the last semicolon, as in
// Received.
func dateIn(f message.Field) (time.Time, bool) {
	value := f.Value()
	value = strings.TrimSpace(value[strings.LastIndexByte(value, ';')+1:])
	at, err := message.Header{Fields: []message.Field{message.NewField("Date", value)}}.Date()
	return at, err == nil
}

// modifiedJulian is day 0 of the modified Julian date.
var modifiedJulian = time.Date(1858, 11, 17, 0, 0, 0, 0, time.UTC)

func datePart(d time.Time, part string) string {
	switch part {
	case "year":
		return fmt.Sprintf("%04d", d.Year())
	case "month":
		return d.Format("01")
	case "day":
		return d.Format("02")
	case "date":
		return d.Format(time.DateOnly)
	case "julian":
		day := time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC)
		return strconv.Itoa(int(day.Sub(modifiedJulian) / (24 * time.Hour)))
	case "hour":
		return d.Format("15")
	case "minute":
		return d.Format("04")
	case "second":
		return d.Format("05")
	case "time":
		return d.Format(time.TimeOnly)
	case "iso8601":
		return d.Format("2006-01-02T15:04:05-07:00")
	case "std11":
		return d.Format("Mon, 02 Jan 2006 15:04:05 -0700")
	case "zone":
		return d.Format("-0700")
	}
	return strconv.Itoa(int(d.Weekday()))
}
