package tlsprobe

import "strings"

// keyExchange is how a suite older than TLS 1.3 agrees on its keys.
type keyExchange int

const (
	staticKey keyExchange = iota
	ecdhe
	dhe
)

// keyExchangeOf reads it from the suite's name, which IANA builds by rule.
func keyExchangeOf(suite Algorithm) keyExchange {
	switch {
	case strings.HasPrefix(suite.Name, "TLS_ECDHE_"), strings.HasPrefix(suite.Name, "TLS_ECDH_anon_"):
		return ecdhe
	case strings.HasPrefix(suite.Name, "TLS_DHE_"), strings.HasPrefix(suite.Name, "TLS_DH_anon_"):
		return dhe
	}
	return staticKey
}
