package main

import (
	"context"
	"errors"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpCommand offers what can be looked at to assistants: programs that speak the
// Model Context Protocol start it and speak over its standard input and output.
type mcpCommand struct {
	worldFlags
	ListKey []string `help:"A key for a blocklist that wants one. Repeatable." placeholder:"LIST=KEY" env:"ALLGREEN_LIST_KEY" sep:","`
}

// Examples end the help text.
func (mcpCommand) Examples() string {
	return `allgreen mcp
allgreen mcp --lab`
}

// Run serves until the other side closes.
func (c *mcpCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	if _, err := c.open(); err != nil { // what is wrong with the flags is said before anybody asks
		return err
	}
	server := newAssistant(*c, common).server()
	err := server.Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(streams.in), Writer: unclosed{streams.out}})
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// unclosed keeps standard output open: it is not ours to close.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }
