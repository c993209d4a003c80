package lab

import (
	"crypto/tls"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// tlsHosts get TLS wrong.
func tlsHosts() map[string]host.Character {
	wrong := map[string]host.TLS{
		"bad-cert":         {Certificate: ca.WrongName},
		"expired-cert":     {Certificate: ca.Expired},
		"self-signed":      {Certificate: ca.SelfSigned},
		"no-tls":           {Missing: true},
		"starttls-refused": {Refused: true},
		"garbage-tls":      {Garbage: true},
		"injectable":       {Injectable: true},
		"expiring-cert":    {Certificate: ca.Expiring},
		"rsa-cert":         {Certificate: ca.RSA2048},
		"unchained":        {Certificate: ca.Unchained},
		"weak-tls": {
			Certificate: ca.RSA2048, Min: tls.VersionTLS10, Max: tls.VersionTLS13,
			Suites: []uint16{
				tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
				tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_RC4_128_SHA,
			},
		},
		"old-tls": {
			Min: tls.VersionTLS10, Max: tls.VersionTLS10,
			Suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
		},
	}
	all := map[string]host.Character{"mx2.dane-partial.example": {}}
	for name, t := range wrong {
		all["mx."+name+".example"] = host.Character{TLS: t}
	}
	return all
}
