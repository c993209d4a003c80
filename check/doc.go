// Package check holds the questions that receivers ask about a mail domain, a
// server, or a message: one file per check, or one for a small family.
//
// A check says who it is (About) and judges a Subject (Run). It never dials,
// resolves or asks the time: it asks the Subject for facts, and the Subject
// learns each fact once however many checks want it.
//
//	audit := check.NewAudit(w, check.Options{})
//	target, err := check.ParseTarget("example.com", check.Auto)
//	report := audit.Run(ctx, target)          // *finding.Report
//
// The list of all checks, in the order of the report, is All. To add one: write
// its file, add it to its group's list, run the tests; HACKING.md shows it in five
// steps.
//
// Rules that every check keeps:
//
//   - What could not be seen is Unknown, with the reason and what would make it
//     visible: never green, never red. Use unseen for failed lookups.
//   - A finding's code is declared in About.Codes with its status; codes and ids
//     never change their meaning.
//   - An optional thing that is absent is Skip; published and right it is Green;
//     published and wrong it is Yellow or Red.
//   - A red or yellow finding says exactly what to do, by whom.
//   - Strangers are probed politely: only through Subject.Visit and Subject.Dial,
//     which hold one connection at a time per host and count what was asked.
//   - A check writes nothing.
package check
