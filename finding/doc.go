// Package finding holds the words in which checks speak: a status, a finding, a
// report and its verdict. The command line, JSON, the web page, the monitor and
// the gate before sending all repeat the same findings and add nothing.
//
// The zero Status is Unknown: what was not seen is never green, and never red
// either.
//
//	f := finding.Finding{Check: "rdns.exists", Status: finding.Red, Code: "no-ptr", ...}
//	r := finding.NewReport("example.com", []finding.Finding{f})
//	r.Verdict // red
//
// The JSON names of these types are a contract with scripts; they may grow and
// never change.
package finding
