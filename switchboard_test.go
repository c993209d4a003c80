package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// Connections come in while the one who answers changes again and again: each is
// answered, by somebody.
func TestSwitchboardDropsNobody(t *testing.T) {
	board := newSwitchboard()
	var address net.Addr
	open := func() ([]net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			address = l.Addr()
		}
		return []net.Listener{l}, err
	}
	if opened, err := board.open("smtp :25", open); err != nil || !opened {
		t.Fatal(opened, err)
	}
	if opened, _ := board.open("smtp :25", open); opened {
		t.Fatal("an open socket was opened")
	}
	var owners, callers sync.WaitGroup
	answer := func(l *line, n int) {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, n)
			conn.Close()
		}
	}
	const calls = 200
	for range 4 {
		callers.Go(func() {
			for range calls / 4 {
				conn, err := net.Dial("tcp", address.String())
				if err != nil {
					t.Error(err)
					return
				}
				if text, err := io.ReadAll(conn); err != nil || len(text) == 0 {
					t.Errorf("nobody answered: %q, %v", text, err)
				}
				conn.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	var before *line
	for n := 0; ; n++ {
		next := board.lines("smtp :25")[0]
		owners.Go(func() { answer(next, n) })
		if before != nil && n%2 == 0 {
			before.Close() // for a moment nobody answers
			next.connect()
		} else {
			next.connect()
			if before != nil {
				before.Close()
			}
		}
		before = next
		select {
		case <-done:
			before.Close()
			owners.Wait()
			board.closeAll()
			if _, err := net.Dial("tcp", address.String()); err == nil {
				t.Error("the socket is still open")
			}
			return
		default:
		}
	}
}
