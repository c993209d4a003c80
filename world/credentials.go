//go:build !linux

package world

import (
	"errors"
	"net"
)

// Credentials say which process is at the other end of a local socket.
type Credentials struct{ PID, UID, GID int }

// PeerCredentials is errors.ErrUnsupported here: the permissions of the socket
// alone decide.
func PeerCredentials(net.Conn) (Credentials, error) {
	return Credentials{}, errors.ErrUnsupported
}
