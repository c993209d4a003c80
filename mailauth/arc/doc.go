// Package arc verifies the chain of custody that forwarders seal onto a message:
// what each of them found before it changed the message.
//
//	m, err := message.Read(r, message.Limits{})
//	chain := arc.Verify(ctx, w, m.Header, m.Body, w.Now())
//	fmt.Println(chain.Result, chain.Reason)
//	for _, set := range chain.Sets {
//		fmt.Println(set.Instance, set.Seal.Domain, set.Results)
//	}
//
// A chain that passes says who handled the message and what they claim; whether
// to believe them is the receiver's business. The IETF is about to make ARC
// historic, so there is no sealing here, and no verdict should rest on a chain
// alone.
//
// Standards: RFC 8617 (ARC), RFC 8601 (result words). Keys and canonical forms are
// those of package dkim.
package arc
