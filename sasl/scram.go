package sasl

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"strconv"
	"strings"
)

// The server's side of SCRAM-SHA-256 (RFC 5802, 7677) and of its PLUS form (channel
// bindings of RFC 5929 and 9266). It is our own because one name, PLUS, stands for two
// bindings between which only the client's first message decides, because the verifier
// is asked for in the middle and may be refused, and because it is a page.

// Keys are a SCRAM-SHA-256 verifier (RFC 5802 section 3, RFC 7677). The zero value fits
// no password.
type Keys struct {
	Salt                 []byte
	Iterations           int
	StoredKey, ServerKey []byte // 32 octets each
	// Others are StoredKey and ServerKey of further passwords of the same user, with
	// the same salt and iterations: whoever knows any of them is in.
	Others [][2][]byte
}

// Exchange is one login by SCRAM.
type Exchange struct {
	Mechanism string               // SCRAM-SHA-256, or with -PLUS
	Offered   []string             // the mechanisms announced to this client
	TLS       *tls.ConnectionState // nil: there is no channel to bind to
	Shown     []byte               // the certificate that the client saw, as Remember notes it; nil: not known

	First []byte // the client's first message
	// Ask sends a challenge and gives the response, neither in base64.
	Ask func(challenge []byte) (response []byte, err error)
	// Keys gives what is stored of a user. For one who does not exist it gives keys that
	// no password fits, with the same salt each time, so that nobody learns who exists.
	Keys func(user string) (Keys, error)
}

// SCRAM runs the exchange and gives the user who has proven to know the password. The
// proof of the server goes out as a challenge that the client answers with nothing: SMTP
// and IMAP have no room for data beside their answer (RFC 4954 section 4, RFC 9051
// section 6.2.2).
func SCRAM(x Exchange) (user string, err error) {
	hello, err := parseScramFirst(string(x.First))
	if err != nil {
		return "", err
	}
	binding, err := x.binding(hello)
	if err != nil {
		return "", err
	}
	keys, err := x.Keys(hello.user)
	if err != nil {
		return "", err
	}
	s := scramProof{hello: hello, keys: keys, nonce: hello.nonce + rand.Text()}
	final, err := x.Ask([]byte(s.challenge()))
	if err != nil {
		return "", err
	}
	signature, ok := s.verify(string(final), binding)
	if !ok {
		return "", ErrExchange
	}
	if last, err := x.Ask([]byte("v=" + signature)); err != nil || len(last) > 0 {
		return "", orExchange(err)
	}
	return hello.user, nil
}

func orExchange(err error) error {
	if err == nil {
		return ErrExchange
	}
	return err
}

// scramFirst is the client's first message, taken apart.
type scramFirst struct {
	header string // the GS2 header, as it came
	flag   byte   // n, y or p
	kind   string // of the channel binding, behind p=
	bare   string // the rest
	user   string
	nonce  string
}

// parseScramFirst reads client-first-message (RFC 5802 section 7). An identity to act
// as is only taken when it is the user's own.
func parseScramFirst(s string) (f scramFirst, err error) {
	parts := strings.SplitN(s, ",", 3)
	if len(parts) != 3 || parts[0] == "" {
		return f, ErrExchange
	}
	f.header, f.bare, f.flag = parts[0]+","+parts[1]+",", parts[2], parts[0][0]
	switch kind, bound := strings.CutPrefix(parts[0], "p="); {
	case bound && kind != "":
		f.kind = kind
	case parts[0] != "n" && parts[0] != "y":
		return f, ErrExchange
	}
	fields := strings.Split(f.bare, ",") // m=, a mandatory extension, is refused by this
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return f, ErrExchange
	}
	user, ok := saslName(fields[0][2:])
	f.user, f.nonce = user, fields[1][2:]
	if !ok || user == "" || f.nonce == "" || !isPrintableASCII(f.nonce) {
		return f, ErrExchange
	}
	if authzid, said := strings.CutPrefix(parts[1], "a="); said {
		if name, ok := saslName(authzid); !ok || name != user {
			return f, ErrExchange
		}
	} else if parts[1] != "" {
		return f, ErrExchange
	}
	return f, nil
}

// saslName undoes the escapes of a saslname: =2C is a comma, =3D an equals sign.
func saslName(s string) (string, bool) {
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	escapes := strings.Count(s, "=2C") + strings.Count(s, "=3D")
	return name, strings.Count(s, "=") == escapes && !strings.ContainsRune(s, 0)
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

// scramProof judges the client's second message.
type scramProof struct {
	hello scramFirst
	keys  Keys
	nonce string
}

// challenge is server-first-message.
func (s scramProof) challenge() string {
	return "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(s.keys.Salt) + ",i=" + strconv.Itoa(s.keys.Iterations)
}

// verify checks client-final-message and gives the server's own proof. Every way to
// fail takes the way through the comparison, so that none tells itself by time.
func (s scramProof) verify(final string, binding []byte) (signature string, ok bool) {
	without, proof64, found := cutLast(final, ",p=")
	fields := strings.Split(without, ",")
	proof, err := base64.StdEncoding.DecodeString(proof64)
	if !found || err != nil || len(proof) != sha256.Size || len(fields) < 2 {
		return "", false
	}
	bound := base64.StdEncoding.EncodeToString(append([]byte(s.hello.header), binding...))
	ok = fields[0] == "c="+bound && fields[1] == "r="+s.nonce

	message := s.hello.bare + "," + s.challenge() + "," + without
	serverKey, right := s.keys.ServerKey, fits(s.keys.StoredKey, message, proof)
	for _, other := range s.keys.Others {
		if fits(other[0], message, proof) {
			serverKey, right = other[1], true
		}
	}
	return base64.StdEncoding.EncodeToString(hmacSHA256(serverKey, message)), right && ok
}

// fits reports whether a proof was made with the password of a stored key.
func fits(storedKey []byte, message string, proof []byte) bool {
	clientKey := hmacSHA256(storedKey, message)
	subtle.XORBytes(clientKey, clientKey, proof)
	stored := sha256.Sum256(clientKey)
	return subtle.ConstantTimeCompare(stored[:], storedKey) == 1
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
