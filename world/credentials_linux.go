package world

import (
	"errors"
	"net"
	"syscall"
)

// Credentials say which process is at the other end of a local socket, as the
// kernel knows it (SO_PEERCRED).
type Credentials struct{ PID, UID, GID int }

// PeerCredentials asks the kernel who connected to a unix socket. Every other
// connection is errors.ErrUnsupported.
func PeerCredentials(conn net.Conn) (Credentials, error) {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return Credentials{}, errors.ErrUnsupported
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, failed); err != nil {
		return Credentials{}, err
	}
	return Credentials{PID: int(peer.Pid), UID: int(peer.Uid), GID: int(peer.Gid)}, nil
}
