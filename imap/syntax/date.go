package syntax

import "time"

// dateTime is the internal date of APPEND: "17-Jul-1996 02:44:25 -0700", where the day
// may have a blank in front.
func (s *scanner) dateTime() time.Time {
	text := s.quoted()
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", text)
	if err != nil {
		s.fail("%q is no date and time", text)
	}
	return t
}

// date is the day of a search, at midnight UTC: 1-Feb-1994, with or without quotes.
func (s *scanner) date() time.Time {
	text := ""
	if s.peek() == '"' {
		text = s.quoted()
	} else {
		text = s.atom()
	}
	t, err := time.Parse("2-Jan-2006", text)
	if err != nil {
		s.fail("%q is no date", text)
	}
	return t
}

// AppendDateTime writes an internal date with its quotes.
func AppendDateTime(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, `"_2-Jan-2006 15:04:05 -0700"`)
}
