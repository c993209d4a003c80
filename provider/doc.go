// Package provider knows the big receivers: who they are by their MX hosts, what
// they want of those who send to them, how many connections they like, where
// their postmaster pages are, and what their replies mean.
//
//	d := provider.New()
//	p, ok := d.ByMX(mail.MustParseDomain("gmail-smtp-in.l.google.com"))
//	m := d.Classify(reply, host)   // m.Class, m.Scope, m.Hold, m.Advice
//
// All of it is data: providers.json says who there is, replies.json has a rule for
// each reply that is known, classes.json what the classes mean, guesses.json how
// a reply is understood that no rule knows. What was guessed says so
// (Meaning.Guessed). A rule of the receiver that answered comes before one of its
// kin, then rules that cannot be mistaken whoever answered, then those for all.
//
// A Meaning says what a reply is about, not what to do now: holding, retrying
// and alerting are for those who ask. Nothing here dials or remembers.
//
// [Read] finds the reply in what people paste: a line of the log of Postfix,
// Exim or sendmail, a delivery report, or the bare reply.
//
// Sources: RFC 5321 section 4.2 (replies), RFC 3463 and the registry of enhanced
// codes behind it (RFC 7372, RFC 7504, RFC 7505, RFC 8689), and what the
// receivers publish about themselves.
package provider
