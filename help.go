package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// exampler is a command that shows how it is used: every one does.
type exampler interface{ Examples() string }

// Examples are those of the whole program.
func (commandLine) Examples() string {
	return `allgreen check example.com
allgreen explain rdns.forward-confirmed
allgreen lab --once`
}

// printHelp is the usual help with examples at its end, where a terminal leaves the
// eye.
func printHelp(o kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	command, ok := node.Target.Interface().(exampler)
	if !ok {
		return nil
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\nExamples:\n%s\n", "  "+strings.ReplaceAll(command.Examples(), "\n", "\n  "))
	return err
}
