package check

import "slices"

// All is every check in the order of the report. The list is data: nothing
// registers itself.
func All() []Check {
	return slices.Concat(
		domainChecks(),
		dnsChecks(),
		mxChecks(),
		rdnsChecks(),
		heloChecks(),
		smtpChecks(),
		tlsChecks(),
		relayChecks(),
		backscatterChecks(),
		roleChecks(),
		spfChecks(),
		dkimChecks(),
		dmarcChecks(),
		bimiChecks(),
		mtastsChecks(),
		tlsrptChecks(),
		daneChecks(),
		blocklistChecks(),
		asnChecks(),
		submissionChecks(),
		accessChecks(),
		webChecks(),
		messageChecks(),
		egressChecks(),
	)
}

// Find is the manual page of one check.
func Find(id string) (About, bool) {
	for _, c := range All() {
		if a := c.About(); a.ID == id {
			return a, true
		}
	}
	return About{}, false
}

// Group is the manual pages of one group, of all checks for "".
func Group(name string) []About {
	var pages []About
	for _, c := range All() {
		if a := c.About(); name == "" || a.Group() == name {
			pages = append(pages, a)
		}
	}
	return pages
}
