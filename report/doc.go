// Package report writes and reads the reports that mail servers send about mail:
// delivery status notifications. It decides nothing and sends nothing; ours go into
// the mailbox of whoever has to know, never to a stranger.
//
//	err := report.DSN{
//		From: postmaster, To: anna, ReportingMTA: host, Arrival: queued, Date: now,
//		Recipients: []report.Recipient{{
//			Final: bob, Action: report.Failed, Status: mail.EnhancedCode{5, 1, 1},
//			RemoteMTA: "mx.example.org", Diagnostic: "550 5.1.1 no such user",
//		}},
//		Original: body,
//	}.Write(w)
//
//	dsn, err := report.ReadDSN(r) // recipients, actions, statuses, diagnostics
//
// A report has three parts (RFC 3462): plain English that says what happened and
// what to do, the same for machines (RFC 3464), and the message or its header. With
// an address that is not ASCII the second and third are the "global" kinds of RFC
// 6533. The report itself carries Auto-Submitted (RFC 3834), and whoever sends it
// uses the null reverse-path.
//
// Reading is as forgiving as the grammar allows, and bounded. It finds nothing in
// what is no report.
//
// Standards: RFC 3462, 3464, 3834, 6533; RFC 3461 for what a report must hold.
package report
