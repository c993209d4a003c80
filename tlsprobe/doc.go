// Package tlsprobe answers one question: what TLS does a server offer? Where
// crypto/tls cannot ask, because it does not speak the old versions or the weak
// suites, it writes its own ClientHello and reads what comes back, up to the point
// where keys would be needed.
//
//	dial := func(ctx context.Context) (net.Conn, error) { ... } // STARTTLS was said
//	r := tlsprobe.Scan(ctx, dial, tlsprobe.Options{ServerName: host, Roots: w.Roots, Now: w.Now()})
//	for _, v := range r.Versions { ... }     // TLS 1.3 yes, TLS 1.2 yes, TLS 1.1 no
//	for _, s := range r.Suites { ... }       // accepted suites with their class
//	r.Handshake, r.Chains                    // what was negotiated, what was presented
//
// The dial function returns a connection on which the next octet is the
// ClientHello. It is called once for each question, one after the other, at most
// Options.Connections times, because servers count us. Depth Quick needs three
// connections, Full about twenty.
//
// Every answer is yes, no, or unknown with the reason; what could not be seen is
// never "no". A refusal is an alert, or a server that hangs up on one hello and
// answers others.
//
// The classes of suites and groups (good, sufficient, phase-out, bad) are data,
// suites.json and groups.json, after the guidelines of the Dutch NCSC of May 2025.
//
// Nothing is exploited: no padding oracles, no Heartbleed reads. All reading is
// bounded in octets, records and time.
//
// Standards: RFC 8446 (TLS 1.3), 5246 (1.2), 4346 (1.1), 2246 (1.0), 6101 (SSL 3.0),
// 8422 (elliptic curves), 7919 (FFDHE), 7627 (extended master secret), 5746
// (renegotiation), 3749 (compression), 5077 (session tickets), 9325 (BCP 195).
package tlsprobe
