// Package bimi answers whether a domain may have its logo shown: the record, the
// logo file, and the certificate that vouches for it.
//
//	found := bimi.LookupRecord(ctx, w, domain, organizational, bimi.DefaultSelector)
//	svg, err := bimi.Fetch(ctx, w, found.Record.Logo)
//	logo, problems := bimi.JudgeLogo(svg.Body)
//	pem, err := bimi.Fetch(ctx, w, found.Record.Evidence)
//	evidence, problems := bimi.ParseEvidence(pem.Body)
//	problems = evidence.Judge(domain, organizational, selector, roots, w.Now())
//	same := evidence.Shows(svg.Body)
//
// A Problem that is Fatal keeps receivers from showing the logo; the others are
// what some of them mind. What elements a logo may have is data, in tinyps.json.
//
// BIMI is no RFC: draft-brand-indicators-for-message-identification-08, the SVG
// Tiny PS profile draft-svg-tiny-ps-abrotman, and the Mark Certificate guidelines
// of the AuthIndicators working group. Logotypes: RFC 3709 and 9399.
package bimi
