package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The cost of one guess: 19 MiB and two passes, some 30 ms.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonKey    = 32
	saltSize    = 16
)

const (
	minPassword = 8   // characters
	maxPassword = 512 // octets: what is longer is not hashed
)

// checkPassword refuses what people should not choose.
func checkPassword(password string) error {
	switch {
	case len([]rune(password)) < minPassword:
		return fmt.Errorf("%w: it has fewer than %d characters", ErrWeakPassword, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: it has more than %d octets", ErrWeakPassword, maxPassword)
	case strings.ContainsRune(password, 0):
		return fmt.Errorf("%w: it has a NUL", ErrWeakPassword)
	case looksLikeAppPassword(password):
		return fmt.Errorf("%w: it has the form of an app password, and would be taken for one", ErrWeakPassword)
	}
	return nil
}

// hasher computes verifiers, few at a time: each argon2 takes 19 MiB, so guessing
// takes twice that however many guess. Known networks have a lane of their own, which
// strangers cannot fill.
type hasher struct {
	strangers, known, light chan struct{}
	key                     [32]byte // of this process, for fingerprints
	good                    remembered
}

func newHasher() *hasher {
	h := &hasher{strangers: make(chan struct{}, 1), known: make(chan struct{}, 1), light: make(chan struct{}, 4)}
	rand.Read(h.key[:])
	return h
}

// hash is the PHC string of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	select {
	case h.known <- struct{}{}:
		defer func() { <-h.known }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return encodePHC(salt, argon(password, salt)), nil
}

func argon(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, argonTime, argonMemory, argonLanes, argonKey)
}

// phcPrefix says with what a hash was made. When the cost rises, this becomes a parser.
var phcPrefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonLanes)

func encodePHC(salt, sum []byte) string {
	return phcPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum)
}

func decodePHC(text string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(text, phcPrefix)
	saltText, sumText, ok2 := strings.Cut(rest, "$")
	if !ok || !ok2 {
		return nil, nil, errors.New("the stored password is not of a kind this program knows")
	}
	if salt, err = base64.RawStdEncoding.DecodeString(saltText); err != nil {
		return nil, nil, fmt.Errorf("salt of the stored password: %w", err)
	}
	if sum, err = base64.RawStdEncoding.DecodeString(sumText); err != nil {
		return nil, nil, fmt.Errorf("hash of the stored password: %w", err)
	}
	return salt, sum, nil
}

// verifyPassword compares with a stored password. Where there is none it does the same
// work and says no: the time tells nobody who exists.
func verifyPassword(stored, password string) (bool, error) {
	if len(password) > maxPassword {
		password = password[:maxPassword+1] // longer than any that was set
	}
	if stored == "" {
		argon(password, make([]byte, saltSize))
		return false, nil
	}
	salt, sum, err := decodePHC(stored)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, argon(password, salt)) == 1, nil
}

// fingerprint stands for a secret within this process.
func (h *hasher) fingerprint(parts ...string) (f [32]byte) {
	mac := hmac.New(sha256.New, h.key[:])
	for _, p := range parts {
		fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	mac.Sum(f[:0])
	return f
}

// remembered is a bounded set of fingerprints: of passwords that were right, together
// with what they were compared to, so that a mail program that logs in every minute
// costs one argon2 a day and not a thousand.
type remembered struct {
	mu         sync.Mutex
	young, old map[[32]byte]struct{}
}

const rememberSize = 4096

func (r *remembered) has(f [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.young[f]; ok {
		return true
	}
	_, ok := r.old[f]
	if ok {
		r.put(f)
	}
	return ok
}

func (r *remembered) add(f [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(f)
}

func (r *remembered) put(f [32]byte) {
	if len(r.young) >= rememberSize {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = map[[32]byte]struct{}{}
	}
	r.young[f] = struct{}{}
}
