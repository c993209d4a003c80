package identity

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrNodeKey is wrapped by every error about the node key.
var ErrNodeKey = errors.New("the node key cannot be used")

// keyPrefix begins the line in a node key file, so that nobody takes it for something
// else.
const keyPrefix = "allgreen-node-key-1 "

// nodeKey seals everything private in the store.
type nodeKey [chacha20poly1305.KeySize]byte

// newNodeKey makes a key; crypto/rand never fails.
func newNodeKey() nodeKey {
	var k nodeKey
	rand.Read(k[:])
	return k
}

// readNodeKey reads the file of a node key. A file that others may read is refused:
// who knows who has.
func readNodeKey(path string) (nodeKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nodeKey{}, fmt.Errorf("%w: %w", ErrNodeKey, err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nodeKey{}, fmt.Errorf("%w: others may read %s (mode %04o); say: chmod 600 %s", ErrNodeKey, path, mode.Perm(), path)
	}
	if info.Size() > 1024 {
		return nodeKey{}, fmt.Errorf("%w: %s is too long", ErrNodeKey, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nodeKey{}, fmt.Errorf("%w: %w", ErrNodeKey, err)
	}
	k, err := parseNodeKey(string(text))
	if err != nil {
		return nodeKey{}, fmt.Errorf("%w: %s %w", ErrNodeKey, path, err)
	}
	return k, nil
}

func parseNodeKey(text string) (k nodeKey, err error) {
	word, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	octets, err := base64.StdEncoding.Strict().DecodeString(word)
	if !ok || err != nil || len(octets) != len(k) {
		return nodeKey{}, errors.New("holds no node key")
	}
	return nodeKey(octets), nil
}

// text is the key as its file holds it.
func (k nodeKey) text() string {
	return keyPrefix + base64.StdEncoding.EncodeToString(k[:]) + "\n"
}

// write makes the file; it never overwrites one. The file is whole and synced before
// it has its name: what is sealed under a key that is lost is lost.
func (k nodeKey) write(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".node-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNodeKey, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(k.text())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // fails where there is one
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNodeKey, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNodeKey, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// sealer seals and opens under one node key.
type sealer struct {
	key  nodeKey
	id   [4]byte // tells which key sealed, and nothing about it
	aead cipher.AEAD
}

// sealVersion begins everything sealed.
const sealVersion = 1

func newSealer(k nodeKey) *sealer {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic(fmt.Sprintf("identity: %v", err)) // only for a key of another length
	}
	sum := sha256.Sum256(append([]byte("allgreen node key id "), k[:]...))
	return &sealer{key: k, id: [4]byte(sum[:4]), aead: aead}
}

// seal encrypts what may be opened only under the same label, so that nobody who can
// write to the database can put one secret in another's place.
func (s *sealer) seal(label string, plain []byte) []byte {
	out := make([]byte, 0, 1+len(s.id)+s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	out = append(out, sealVersion)
	out = append(out, s.id[:]...)
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	out = append(out, nonce...)
	return s.aead.Seal(out, nonce, plain, []byte(label))
}

// open decrypts what seal made.
func (s *sealer) open(label string, sealed []byte) ([]byte, error) {
	head := 1 + len(s.id)
	if len(sealed) < head+s.aead.NonceSize() || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: %s is not sealed by this program", ErrNodeKey, label)
	}
	if id := [4]byte(sealed[1:head]); id != s.id {
		return nil, fmt.Errorf("%w: %s was sealed under key %x, and this node has %x; put the other file in its place", ErrNodeKey, label, id, s.id)
	}
	nonce, text := sealed[head:head+s.aead.NonceSize()], sealed[head+s.aead.NonceSize():]
	plain, err := s.aead.Open(nil, nonce, text, []byte(label))
	if err != nil {
		return nil, fmt.Errorf("%w: %s was changed, or is another secret", ErrNodeKey, label)
	}
	return plain, nil
}

// findNodeKey reads the file. Where nothing was sealed yet, it makes one.
func findNodeKey(path string, used bool) (nodeKey, error) {
	k, err := readNodeKey(path)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return k, err
	case used:
		return nodeKey{}, fmt.Errorf("%w: %s is missing, and the store was sealed under it; take it from the backup or from another node", ErrNodeKey, path)
	}
	k = newNodeKey()
	if err := k.write(path); errors.Is(err, fs.ErrExist) {
		return readNodeKey(path) // another process was first
	} else if err != nil {
		return nodeKey{}, err
	}
	return k, nil
}
