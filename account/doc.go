// Package account knows who has a mailbox and who may send: accounts with their
// passwords, app passwords, aliases, catch-alls, devices, API tokens. Each of them has an
// owner, an account whose mailbox gets what fails.
//
//	dir := account.Open(st, account.Options{Domains: domains, Admin: admin, World: w, Log: log})
//	defer dir.Close()
//	id, err := dir.Create(ctx, account.New{Address: anna, Password: "correct horse"})
//	err = dir.AddAlias(ctx, account.Alias{From: sales, To: []mail.Address{anna, remote}})
//
//	to, err := dir.Resolve(tx, rcpt)           // whose mail is it?
//	who, err := dir.Login(ctx, account.Attempt{User: user, Password: password, From: ip})
//	who, err := dir.Token(ctx, secret)
//	who, err := dir.Device(ctx, ip)
//	if !who.MaySend(from) { ... }
//
// # Recipients
//
// The local parts of our own domains have no case and are compared in normal form;
// "+detail" leads to the same mailbox, and to the folder of that name if there is one.
// Resolve follows aliases of aliases, ends loops, drops duplicates and stops at a
// bound. The role addresses (postmaster, abuse, security, admin, hostmaster, webmaster, noc)
// exist in every domain without being configured and lead to the domain's admin.
//
// The errors are knowledge: ErrNotLocal (not our domain), ErrNoMailbox, ErrDisabled,
// ErrExpansion. Every other error is temporary.
//
// Answers are remembered. Each change of the directory draws a new random stamp in its
// transaction and wakes "account"; Resolve reads the stamp when it was woken and at
// least once a second, so that processes agree within a second even when wake-ups are
// lost.
//
// # Logins
//
// Passwords of people are argon2id, few at a time: guessing costs the guesser, and a
// fixed amount of our memory. App passwords are 100 random bits, shown once; their
// SCRAM-SHA-256 verifiers also answer PLAIN, for a twentieth of the work. What a
// presented password looks like decides which of the two is computed, never whether
// the user exists: both take the same time.
//
// The throttle slows the guesser and not the user. Failures count for the network they
// come from (an IPv4 address, an IPv6 /64) and make it wait longer and longer, then go
// away; for its neighbourhood and for the login they only bring a delay of seconds, so
// nobody can lock out somebody else. A network from which a login succeeded before is
// known: there, only its own failures at that login count. A wrong password repeated
// (the phone that nobody told) counts once.
//
// Standards: RFC 5321 sections 2.4 and 4.5.1, RFC 2142 (role addresses), RFC 5233
// (subaddresses), RFC 9106 (argon2), RFC 5802 and 7677 (SCRAM-SHA-256).
package account
