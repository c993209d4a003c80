package lifetime_test

import (
	"context"
	"net"
	"testing"

	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

func TestContextClosesTheConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	near, far := net.Pipe()
	defer far.Close()
	release := lifetime.Close(ctx, near)
	cancel()
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived its context")
	}
	release()
}

func TestReleasedConnectionLivesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	near, far := net.Pipe()
	defer near.Close()
	lifetime.Close(ctx, near)()
	cancel()
	go far.Close()
	if _, err := near.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
		t.Errorf("want the end that the other side made, got %v", err)
	}
}
