package sasl

import (
	"encoding/base64"
	"errors"
	"strings"
)

// The names of the mechanisms.
const (
	PLAIN           = "PLAIN"
	LOGIN           = "LOGIN"
	SCRAMSHA256     = "SCRAM-SHA-256"
	SCRAMSHA256Plus = "SCRAM-SHA-256-PLUS"
)

// What ends a login without an answer of the caller's.
var (
	// ErrEncoding: a response is not base64.
	ErrEncoding = errors.New("the response is not base64")
	// ErrExchange: a response does not fit the mechanism, or its proof is wrong.
	ErrExchange = errors.New("the response does not fit the mechanism")
)

// Plain takes the one message of PLAIN apart: authzid NUL authcid NUL password.
func Plain(message []byte) (authzid, user, password string, err error) {
	parts := strings.Split(string(message), "\x00")
	if len(parts) != 3 || parts[1] == "" {
		return "", "", "", ErrExchange
	}
	return parts[0], parts[1], parts[2], nil
}

// Decode reads a response as it stands on the wire.
func Decode(line string) ([]byte, error) {
	message, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil || strings.ContainsAny(line, "\r\n") {
		return nil, ErrEncoding
	}
	return message, nil
}
