package smtp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// The server's side of SCRAM-SHA-256 (RFC 5802, 7677) and of its PLUS form (channel
// bindings of RFC 5929 and 9266). It is our own because one name, PLUS, stands for two
// bindings between which only the client's first message decides, because the verifier
// is asked for under a context and may be refused with a reply, and because it is a page.

// scram runs the exchange. RFC 4954 has no room for data beside 235, so the proof of
// the server goes out as a challenge that the client answers with nothing.
func (x *exchange) scram(ctx context.Context, a Authenticator, mechanism string) (mail.Reply, error) {
	first, err := x.first("")
	if err != nil {
		return mail.Reply{}, err
	}
	hello, err := parseScramFirst(string(first))
	if err != nil {
		return mail.Reply{}, err
	}
	binding, err := x.c.channelBinding(hello, mechanism)
	if err != nil {
		return mail.Reply{}, err
	}
	keys, refusal := a.SCRAM(ctx, hello.user)
	if refusal.IsTransient() || refusal.IsPermanent() {
		return refusal, nil
	}
	s := scramProof{hello: hello, keys: keys, nonce: hello.nonce + rand.Text()}
	final, err := x.ask(s.challenge())
	if err != nil {
		return mail.Reply{}, err
	}
	signature, ok := s.verify(string(final), binding)
	if !ok {
		return mail.Reply{}, errExchange
	}
	if last, err := x.ask("v=" + signature); err != nil || len(last) > 0 {
		return mail.Reply{}, orExchange(err)
	}
	return a.Authenticated(ctx, hello.user, mechanism), nil
}

func orExchange(err error) error {
	if err == nil {
		return errExchange
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
		return f, errExchange
	}
	f.header, f.bare, f.flag = parts[0]+","+parts[1]+",", parts[2], parts[0][0]
	switch kind, bound := strings.CutPrefix(parts[0], "p="); {
	case bound && kind != "":
		f.kind = kind
	case parts[0] != "n" && parts[0] != "y":
		return f, errExchange
	}
	fields := strings.Split(f.bare, ",") // m=, a mandatory extension, is refused by this
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return f, errExchange
	}
	user, ok := saslName(fields[0][2:])
	f.user, f.nonce = user, fields[1][2:]
	if !ok || user == "" || f.nonce == "" || !isPrintableASCII(f.nonce) {
		return f, errExchange
	}
	if authzid, said := strings.CutPrefix(parts[1], "a="); said {
		if name, ok := saslName(authzid); !ok || name != user {
			return f, errExchange
		}
	} else if parts[1] != "" {
		return f, errExchange
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
	keys  ScramKeys
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
