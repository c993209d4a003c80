package world

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Service is what the service manager that started this process wants to know and
// what it hands over: sockets that are open already, and where to tell how things
// stand. The protocol is that of systemd (sd_listen_fds(3), sd_notify(3)). The zero
// Service was started by nobody: it has no sockets, and telling it does nothing.
type Service struct {
	sockets  map[string][]net.Listener
	notify   string        // the path of a datagram socket
	watchdog time.Duration // silence after which the manager restarts us
	world    *World
}

// firstSocket is the file descriptor at which inherited sockets begin.
const firstSocket = 3

// ServiceOf reads what the service manager left in the environment. The variables
// are for this process alone: its children get other ones. Call it once.
func (w *World) ServiceOf(getenv func(string) string) (*Service, error) {
	s := &Service{world: w, notify: getenv("NOTIFY_SOCKET"), sockets: map[string][]net.Listener{}}
	if name, ok := strings.CutPrefix(s.notify, "@"); ok {
		s.notify = "\x00" + name // an abstract socket of Linux
	}
	if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && isForUs(getenv("WATCHDOG_PID")) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	count, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || !isForUs(getenv("LISTEN_PID")) {
		return s, nil
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	for i := range count {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		if err := s.inherit(firstSocket+i, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func isForUs(pid string) bool { return pid == "" || pid == strconv.Itoa(os.Getpid()) }

// inherit takes over one open socket. net copies the descriptor; ours is closed.
func (s *Service) inherit(fd int, name string) error {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return fmt.Errorf("the service manager passed no socket as descriptor %d (%s)", fd, name)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("taking over descriptor %d (%s) of the service manager: %w", fd, name, err)
	}
	s.sockets[name] = append(s.sockets[name], l)
	return nil
}

// Sockets hands out the inherited sockets of one name (FileDescriptorName= of the
// socket unit), once.
func (s *Service) Sockets(name string) []net.Listener {
	all := s.sockets[name]
	delete(s.sockets, name)
	return all
}

// Names are the names of the inherited sockets that nobody has taken yet.
func (s *Service) Names() []string {
	var names []string
	for name := range s.sockets {
		names = append(names, name)
	}
	return names
}

// Tell sends a state to the service manager: "READY=1", "STOPPING=1",
// "STATUS=...", one per line. Without a manager it does nothing.
func (s *Service) Tell(ctx context.Context, state string) error {
	if s.notify == "" {
		return nil
	}
	conn, err := s.world.dialUnix(ctx, "unixgram", s.notify)
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	// A manager whose queue is full must not hold us up.
	if err := conn.SetWriteDeadline(time.Now().Add(tellTime)); err != nil { // deadline
		return fmt.Errorf("telling the service manager: %w", err)
	}
	_, err = conn.Write([]byte(state))
	return err
}

// tellTime is how long a manager may take to listen.
const tellTime = time.Second

// Watchdog is how often Tell must say "WATCHDOG=1": half of what the manager
// waits. Zero: nobody watches.
func (s *Service) Watchdog() time.Duration { return s.watchdog / 2 }
