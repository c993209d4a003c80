package authres

import "strings"

// Name is the name of the header field.
const Name = "Authentication-Results"

// Field is one Authentication-Results field. Without results it says "none": no
// method was tried.
type Field struct {
	ID      string // authserv-id: who says so
	Version int    // of the field's format; 0 and 1 are the same
	Results []Result
}

// Result is what one method said.
type Result struct {
	Method     string // "spf", "dkim", "dmarc", "arc", "iprev", "auth", ...
	Version    int    // of the method; 0 and 1 are the same
	Value      string // "pass", "fail", "none", ...
	Reason     string // why, for machines and people; "" without one
	Comment    string // for people only, written behind the result; the reader takes the first
	Properties []Property
}

// Property is what a method looked at: header.d=example.com.
type Property struct {
	Type  string // ptype: "smtp", "header", "body", "policy"
	Name  string // property: "mailfrom", "d", "i", ...
	Value string
}

// Property is the value of the first property of that type and name, "" without
// one. Both compare without case.
func (r Result) Property(ptype, name string) string {
	for _, p := range r.Properties {
		if strings.EqualFold(p.Type, ptype) && strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// Of is the results of one method.
func (f Field) Of(method string) []Result {
	var found []Result
	for _, r := range f.Results {
		if strings.EqualFold(r.Method, method) {
			found = append(found, r)
		}
	}
	return found
}

// IsFrom reports whether the field claims to come from that server. A border
// server removes fields in its own name that came from outside (RFC 8601 section
// 5). Names compare without case.
func (f Field) IsFrom(id string) bool { return strings.EqualFold(f.ID, id) }
