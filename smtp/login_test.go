package smtp

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"

	"github.com/allgreen-mail/allgreen/mail"
)

// The one user that a shelf lets in.
const (
	testUser     = "anna@mx.example"
	testPassword = "correct horse"
)

// loginSession is a shelfSession whose clients may log in.
type loginSession struct{ *shelfSession }

func (s *shelf) openLogin(ctx context.Context, p Peer) (Session, mail.Reply) {
	inner, reply := s.open(ctx, p)
	return loginSession{inner.(*shelfSession)}, reply
}

func (s loginSession) Plain(_ context.Context, authzid, user, password string) mail.Reply {
	if user != testUser || password != testPassword || authzid != "" && authzid != user {
		return mail.NewReply(535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}, "wrong name or password")
	}
	s.login = user
	return mail.Reply{}
}

func (s loginSession) SCRAM(_ context.Context, user string) (ScramKeys, mail.Reply) {
	if user != testUser {
		return ScramKeys{Salt: []byte("made up"), Iterations: 4096}, mail.Reply{}
	}
	keys := scramKeysOf(testPassword)
	second := scramKeysOf(testPassword + "2")
	keys.Others = [][2][]byte{{second.StoredKey, second.ServerKey}}
	return keys, mail.Reply{}
}

func (s loginSession) Authenticated(_ context.Context, user, mechanism string) mail.Reply {
	s.login = user + " by " + mechanism
	return mail.Reply{}
}

// scramKeysOf is what a server stores for a password (RFC 5802 section 3).
func scramKeysOf(password string) ScramKeys {
	return scramKeysWith(password, []byte("salt of this test"))
}

func scramKeysWith(password string, salt []byte) ScramKeys {
	k := ScramKeys{Salt: salt, Iterations: 4096}
	salted, err := pbkdf2.Key(sha256.New, password, k.Salt, k.Iterations, sha256.Size)
	if err != nil {
		panic(err)
	}
	key := func(of string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(of))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(key("Client Key"))
	k.StoredKey, k.ServerKey = stored[:], key("Server Key")
	return k
}
