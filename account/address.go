package account

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/allgreen-mail/allgreen/mail"
)

// Normal is an address of our own domains in the form in which the directory compares
// it: the local part in lower case and composed (RFC 6530 section 10.1). Whether case
// matters is the receiver's to say (RFC 5321 section 2.4), and here it does not.
func Normal(a mail.Address) mail.Address {
	a.Local = normalLocal(a.Local)
	return a
}

func normalLocal(local string) string {
	for i := range len(local) {
		if c := local[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return norm.NFC.String(strings.ToLower(norm.NFC.String(local)))
		}
	}
	return local
}

// SplitDetail cuts "user+detail" (RFC 5233). A local part that begins with "+" has no
// detail.
func SplitDetail(local string) (user, detail string) {
	if at := strings.IndexByte(local, '+'); at > 0 {
		return local[:at], local[at+1:]
	}
	return local, ""
}

// key is how an address stands in the tables.
func key(a mail.Address) string { return Normal(a).String() }

// base is the address without its detail.
func base(a mail.Address) mail.Address {
	a.Local, _ = SplitDetail(a.Local)
	return a
}

// catchAllKey cannot be an address: an empty local part would be quoted.
func catchAllKey(d mail.Domain) string { return "@" + d.String() }

// roles must reach somebody in every domain: RFC 2142 sections 4 and 5, RFC 9116
// section 7 for security, and what people try first.
var roles = []string{"postmaster", "abuse", "security", "admin", "hostmaster", "webmaster", "noc"}

// isRole reports whether a local part in normal form is one of roles.
func isRole(local string) bool { return slices.Contains(roles, local) }
