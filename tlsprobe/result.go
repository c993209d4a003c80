package tlsprobe

import (
	"crypto/tls"
	"slices"
)

// Result is what a server offers, question by question.
type Result struct {
	Connections int             `json:"connections"` // how many were opened
	Handshake   Handshake       `json:"handshake"`   // a whole one, by crypto/tls
	Chains      []Chain         `json:"chains"`      // one for each kind of key that was presented
	Versions    []VersionAnswer `json:"versions"`    // newest first, SSL 2.0 last

	Suites      Offered `json:"suites"`
	ServerOrder Answer  `json:"server_order"` // takes the better suite where we put the worse first

	Groups      Offered `json:"groups"`
	PostQuantum Answer  `json:"post_quantum"`      // a hybrid group such as X25519MLKEM768
	DHBits      int     `json:"dh_bits,omitempty"` // the smallest prime seen in TLS 1.2 and older

	WeakHash             Answer `json:"weak_hash"` // signs the key exchange with SHA-1 or SHA-224
	ExtendedMasterSecret Answer `json:"extended_master_secret"`
	Compression          Answer `json:"compression"`
	SecureRenegotiation  Answer `json:"secure_renegotiation"` // RFC 5746
	ClientRenegotiation  Answer `json:"client_renegotiation"` // lets the client ask for another handshake
	SessionTickets       Answer `json:"session_tickets"`
	EarlyData            Answer `json:"early_data"` // 0-RTT offered in a ticket
}

// VersionAnswer tells whether one version is accepted.
type VersionAnswer struct {
	Version uint16 `json:"-"`
	Name    string `json:"version"` // "TLS 1.2", "SSL 3.0"
	Answer
}

func versionName(v uint16) string {
	switch v {
	case ssl2:
		return "SSL 2.0"
	case ssl3:
		return "SSL 3.0"
	}
	return tls.VersionName(v)
}

// Version is the answer for one version by its number on the wire, such as
// tls.VersionTLS12.
func (r *Result) Version(v uint16) Answer {
	for _, a := range r.Versions {
		if a.Version == v {
			return a.Answer
		}
	}
	return Answer{}
}

// setVersion keeps the first answer that is not unknown.
func (r *Result) setVersion(v uint16, a Answer) {
	for i := range r.Versions {
		if r.Versions[i].Version == v && r.Versions[i].Is == Unknown {
			r.Versions[i].Answer = a
		}
	}
}

// acceptsOldTLS tells of TLS 1.2 and all before it, where most questions belong.
func (r *Result) acceptsOldTLS() Is {
	all := No
	for _, v := range []uint16{tls12, tls11, tls10, ssl3} {
		switch r.Version(v).Is {
		case Yes:
			return Yes
		case Unknown:
			all = Unknown
		}
	}
	return all
}

// Offered is a list of what the server accepts. Algorithms of one family are of one
// class (the family of TLS 1.3 suites is never bad), so that Families settles the
// verdict, and Complete only the list.
type Offered struct {
	Accepted []Algorithm `json:"accepted"`
	Families bool        `json:"families"`      // every family was asked: none is missing here
	Complete bool        `json:"complete"`      // every algorithm was asked
	Why      string      `json:"why,omitempty"` // why one of them is false
}

// add keeps the order in which the server chose.
func (o *Offered) add(a Algorithm) {
	if !slices.ContainsFunc(o.Accepted, func(b Algorithm) bool { return b.ID == a.ID }) {
		o.Accepted = append(o.Accepted, a)
	}
}

// Of are the accepted algorithms of one class.
func (o Offered) Of(c Class) []Algorithm {
	return filter(o.Accepted, func(a Algorithm) bool { return a.Class == c })
}

// HasFamily reports whether one of the family is accepted, "rc4" or "ffdhe".
func (o Offered) HasFamily(family string) bool {
	return slices.ContainsFunc(o.Accepted, func(a Algorithm) bool { return a.Family == family })
}

// notYet are those of all that belong to an accepted family and are not known to be
// accepted themselves.
func (o Offered) notYet(all []Algorithm) []Algorithm {
	return filter(all, func(a Algorithm) bool {
		known := slices.ContainsFunc(o.Accepted, func(b Algorithm) bool { return b.ID == a.ID })
		return !known && o.HasFamily(a.Family)
	})
}
