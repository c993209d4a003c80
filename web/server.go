package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

// Serve answers HTTP on these listeners until the context ends, then gives what is
// in flight the grace to finish. It owns the listeners.
func Serve(ctx context.Context, listeners []net.Listener, handler http.Handler, grace time.Duration, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10, // an envelope stands in the query of a message
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' broken handshakes
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	err := awaitEnd(ctx, ended)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(late) != nil {
		_ = server.Close() // whoever is not done by now is hung up on
	}
	left := len(listeners)
	if err != nil {
		left--
	}
	for range left {
		<-ended
	}
	return err
}

// awaitEnd waits for the context, or for the first listener that fails.
func awaitEnd(ctx context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return fmt.Errorf("answering HTTP: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// localListener lets in whom the kernel says to be the user of this process, or
// root. The permissions of the socket say the same; this holds when somebody
// loosens them.
type localListener struct {
	net.Listener
	log *slog.Logger
}

// OnlyOurs is the listener of the administration socket.
func OnlyOurs(l net.Listener, log *slog.Logger) net.Listener { return localListener{l, log} }

// Accept hangs up on everybody else.
func (l localListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, err := world.PeerCredentials(conn)
		if errors.Is(err, errors.ErrUnsupported) || err == nil && (peer.UID == os.Getuid() || peer.UID == 0) {
			return conn, nil
		}
		l.log.Warn("administration refused", "uid", peer.UID, "pid", peer.PID, "err", err)
		_ = conn.Close()
	}
}
