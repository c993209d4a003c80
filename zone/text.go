package zone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// judgeText compares texts of one purpose; others at the name stay whatever happens.
func judgeText(s *Step, replace bool) {
	var alike, others []string
	for _, v := range s.Present {
		if isAlike(s, v) {
			alike = append(alike, v)
		} else {
			others = append(others, v)
		}
	}
	put := func(status Status, texts ...string) {
		s.Status, s.Result = status, union(others, texts)
	}
	switch {
	case len(alike) == 0:
		put(Merge, s.Wanted...)
		if len(others) == 0 {
			s.Status = Add
		} else {
			s.Note = "beside other texts at this name"
		}
	case len(alike) == len(s.Wanted) && len(union(alike, s.Wanted)) == len(alike):
		put(Fine, alike...)
	case replace:
		put(Replace, s.Wanted...)
	case len(alike) > 1:
		put(Keep, alike...)
		s.Note = fmt.Sprintf("there are %d of them, and receivers take none of several; keep the right one", len(alike))
	default:
		s.judgeOne(alike[0], put)
	}
}

// isAlike reports whether a text at the name is for the same thing. A name of DKIM or of
// a proof holds one thing only.
func isAlike(s *Step, value string) bool {
	if strings.Contains(s.Name.String(), "._domainkey.") {
		return true
	}
	return purpose("TXT", value) == purpose("TXT", s.Wanted[0])
}

// judgeOne compares one text with one that is there, by what they say.
func (s *Step) judgeOne(there string, put func(Status, ...string)) {
	have, want := plainText(there), plainText(s.Wanted[0])
	switch purpose("TXT", s.Wanted[0]) {
	case "v=spf1":
		merged := MergeSPF(have, want)
		if merged == have {
			put(Fine, there)
			return
		}
		put(Merge, finding.TXT("", merged).Value)
		s.Note = "the senders of both"
	case "v=dmarc1":
		put(Fine, there)
		s.Note = "the policy that is there stays"
	case "v=tlsrptv1":
		put(Fine, there)
		s.Note = "the address for reports that is there stays"
	case "v=stsv1":
		put(Merge, s.Wanted[0])
		s.Note = "a new id has senders fetch the policy again; it harms nothing"
	default:
		put(Keep, there)
		s.Note = "something else is there today"
		if strings.Contains(s.Name.String(), "._domainkey.") {
			s.Note = "another key has this selector; mail under way may be signed with it"
		}
	}
}

// MergeSPF puts the senders of two SPF records into one: the terms of have as they are,
// and before its last word those of want that are not among them. What have says of all
// others stays, so nobody who may send today may not tomorrow. Terms that have covers by
// the same word are not repeated.
func MergeSPF(have, want string) string {
	terms := strings.Fields(have)
	if len(terms) == 0 {
		return want
	}
	var ours []string
	for _, term := range strings.Fields(want)[1:] {
		if isLast(term) || slices.ContainsFunc(terms, func(t string) bool { return sameTerm(t, term) }) {
			continue
		}
		ours = append(ours, term)
	}
	if len(ours) == 0 {
		return have
	}
	at := slices.IndexFunc(terms, isLast)
	if at < 0 {
		at = len(terms)
	}
	return strings.Join(slices.Insert(terms, at, ours...), " ")
}

// isLast reports whether a term ends the evaluation, or leads elsewhere.
func isLast(term string) bool {
	t := strings.ToLower(strings.TrimLeft(term, "+-~?"))
	return t == "all" || strings.HasPrefix(t, "redirect=")
}

// sameTerm reports whether two mechanisms pass the same senders (RFC 7208 section
// 4.6.1: names of mechanisms are in any case, and "+" is what is not said).
func sameTerm(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+"))
}
