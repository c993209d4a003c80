// Package reputation knows what others think of an address or a name: blocklists
// and domain lists, the network an address belongs to, its neighbours, and
// whether its name looks like that of a home connection.
//
//	d := reputation.NewDirectory(reputation.Options{Keys: keys, Now: w.Now})
//	for _, a := range d.CheckIP(ctx, w, ip) {
//		switch a.Result {
//		case reputation.Listed:  // a.Codes says as what, a.Text why
//		case reputation.Clean:   // asked, answered, and the list is in order
//		case reputation.Unknown: // a.Why, and a.Cure
//		}
//	}
//	fit := reputation.JudgeResolver(answers)  // can this resolver ask lists at all?
//
//	origin, err := reputation.LookupOrigin(ctx, w, ip) // whose network
//	n := d.Neighbours(ctx, w, ip)                      // a polite sample of the /24
//	g := reputation.JudgeName("dyn-192-0-2-1.isp.example", ip)
//
// An answer is never taken at its face. A refusal, a code nobody documented, an
// answer outside 127.0.0.0/8, a time-out: each is Unknown and says how to mend
// it. Even "listed" and "clean" count only while the control points of the list
// (RFC 5782 section 5) show that it neither died nor lists the world. Those are
// asked once a day at most: probing lists with every question is abuse itself.
//
// What is known about the lists is data, in lists.json; what makes a name look
// generic is data, in generic.json. The weight of a list says how much a listing
// matters; to count lists says nothing.
//
// Standards: RFC 5782 (DNS lists), RFC 6471 (how lists should behave).
package reputation
