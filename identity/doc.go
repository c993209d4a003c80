// Package identity answers who we are: from one statement come every key, name,
// certificate, secret, wanted DNS record and role address. It alone holds private keys.
//
//	id, err := identity.Open(ctx, identity.Options{
//		Store: st, World: w, NodeKeyFile: "/var/lib/allgreen/node.key",
//		Statement: identity.Statement{
//			Hostname: mail.MustParseDomain("mx.example.com"),
//			Domains:  []mail.Domain{mail.MustParseDomain("example.com")},
//			Egress:   []identity.Egress{{IP: ip, Name: name}},
//			Admin:    mail.MustParseAddress("anna@example.com"),
//		},
//	})
//	go id.Run(ctx)                            // renews certificates, follows changes
//
//	signers, err := id.Signers(domain)        // DKIM, RSA-2048 and Ed25519
//	name := id.HELO(ip)                       // what to say from this address
//	config := id.TLS(identity.SMTP)           // never fails for want of a certificate
//	fmt.Print(identity.Fragment(domain, id.Records(domain)))
//
// # Secrets
//
// Everything private lies in the store, sealed by XChaCha20-Poly1305 under the node
// key: a file of its own (0600), made on the first start. Whoever has only the
// database, or only the file, has nothing. All nodes of one database have the same
// file. The bytes of a private key leave the package by Export alone; everybody else
// gets a crypto.Signer. What one process makes first counts for all.
//
// # Certificates
//
// Each name has its own, from a file, from an ACME authority, from a given authority
// (the lab), or signed by its own key. The last is also the way out when there is no
// other: port 25 never closes for want of a certificate, but Health and the log say
// so. A name keeps its key when its certificate is renewed, so that a TLSA record
// stays true (RFC 7671 section 8.4).
//
// Web servers answer HTTP-01 with ChallengeHandler; TLS-ALPN-01 is in TLS(HTTPS). The
// answers lie in the store, so that any node can give them. DNS-01 goes through
// package zone instead, for servers that nobody reaches on those ports.
//
// # Standards
//
// RFC 7208 (SPF), 6376 and 8463 (DKIM), 9989 (DMARC), 8461 (MTA-STS), 8460
// (TLS-RPT), 6698 and 7672 (DANE), 8659 (CAA), 6186 and 8314 (SRV), 8555, 8737
// and 9773 (ACME), 8489 (STUN), 5869 (HKDF), 2142 (role addresses).
package identity
