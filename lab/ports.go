package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"

	"github.com/allgreen-mail/allgreen/lab/authority"
)

// services are the ports of the lab's world.
func services() []uint16 {
	return []uint16{25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 4190, mirrorPort}
}

// fixedPorts are easy to remember, and bindable by everybody.
func fixedPorts() map[uint16]uint16 {
	return map[uint16]uint16{
		25: 2525, 53: 5353, 80: 8080, 110: 1110, 143: 1143,
		443: 4443, 465: 4465, 587: 5587, 993: 9993, 995: 9995, 4190: 4190, mirrorPort: mirrorPort,
	}
}

// randomPorts are below those that systems give to outgoing connections.
func randomPorts() map[uint16]uint16 {
	base := uint16(10240 + 16*rand.IntN(1300))
	ports := map[uint16]uint16{}
	for i, service := range services() {
		ports[service] = base + uint16(i)
	}
	return ports
}

// tries is how many sets of ports are tried before the lab gives up.
const tries = 30

// bindAll takes every address on a set of ports that is free everywhere.
func (l *Lab) bindAll(fixed bool) error {
	var err error
	for i := range tries {
		l.ports = randomPorts()
		if i == 0 && fixed {
			l.ports = fixedPorts()
		}
		if err = l.bind(); err == nil {
			return nil
		}
		l.release()
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return fmt.Errorf("taking the ports of the lab: %w", err)
}

func (l *Lab) bind() error {
	for ip := range l.names {
		socket, err := authority.Bind(l.socket(ip, 53))
		if err != nil {
			return err
		}
		l.names[ip] = socket
	}
	if ips := l.authority.Addresses(mirrorName + "."); len(ips) > 0 {
		var err error
		if l.mirror, err = bindMirror(l.socket(ips[0], mirrorPort)); err != nil {
			return err
		}
	}
	for _, r := range l.residents {
		for _, port := range r.ports {
			listener, err := net.Listen("tcp4", l.socket(r.addr, port).String())
			if err != nil {
				return err
			}
			r.listeners[port] = listener
		}
	}
	return nil
}

// release gives back what bind took.
func (l *Lab) release() {
	for ip, socket := range l.names {
		if socket != nil {
			socket.Close()
			l.names[ip] = nil
		}
	}
	if l.mirror.UDPConn != nil {
		l.mirror.Close()
		l.mirror = mirror{}
	}
	for _, r := range l.residents {
		for port, listener := range r.listeners {
			listener.Close()
			delete(r.listeners, port)
		}
	}
}

// socket is where a port of an address lies on this machine.
func (l *Lab) socket(ip netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(ip, l.ports[port])
}
