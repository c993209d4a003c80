package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Every command's help ends with examples, and every example parses.
func TestHelpEndsWithExamples(t *testing.T) {
	var cli commandLine
	parser, _ := newParser(&cli, streams{})
	texts := map[string]string{"": cli.Examples()}
	var walk func(name string, nodes []*kong.Node)
	walk = func(name string, nodes []*kong.Node) {
		for _, node := range nodes {
			name := strings.TrimSpace(name + " " + node.Name)
			walk(name, node.Children)
			command, ok := node.Target.Interface().(exampler)
			if !ok {
				t.Errorf("%s has no examples", name)
				continue
			}
			texts[name] = command.Examples()
		}
	}
	walk("", parser.Model.Children)
	for name, examples := range texts {
		help := allgreen(t, "", append(strings.Fields(name), "--help")...)
		last := examples[strings.LastIndexByte(examples, '\n')+1:]
		if help.code != 0 || !strings.HasSuffix(help.out, "  "+last+"\n") || !strings.Contains(help.out, "\nExamples:\n") {
			t.Errorf("exit %d; the help of %q does not end with %q:\n%s", help.code, name, last, help.out)
		}
		shortLines(t, help.out)
		for line := range strings.Lines(strings.ReplaceAll(examples, "\\\n ", "")) {
			parses(t, line)
		}
	}
}

// parses wants an example to be a command line; remarks stand behind three spaces.
func parses(t *testing.T, example string) {
	t.Helper()
	command, _, _ := strings.Cut(strings.TrimSpace(example), "    ")
	command, _, _ = strings.Cut(command, " <")
	command, _, _ = strings.Cut(command, "   ")
	words := strings.Fields(command)
	if words[0] != "allgreen" {
		t.Errorf("%q does not call the program", example)
	}
	var cli commandLine
	parser, _ := newParser(&cli, streams{})
	if _, err := parser.Parse(words[1:]); err != nil {
		t.Errorf("%q: %v", example, err)
	}
}

// Every command takes the common options, before its name and behind, and none goes
// on with a configuration that is not there or broken.
func TestCLICommonOptions(t *testing.T) {
	config := writeFile(t, "allgreen.toml", "hostname = \"mx.example.com\"\ndomains = [\"example.com\"]\nadmin = \"anna@example.com\"\n")
	broken := writeFile(t, "broken.toml", "hostnme = \"mx.example.com\"\n")
	missing := filepath.Join(t.TempDir(), "missing.toml")
	for _, args := range []string{"version", "explain rdns", "--config CONFIG -v version"} {
		if !strings.Contains(args, "CONFIG") {
			args += " --config CONFIG -v"
		}
		with := func(path string) []string { return strings.Fields(strings.ReplaceAll(args, "CONFIG", path)) }
		if got := allgreen(t, "", with(config)...); got.code != 0 || got.out == "" || got.err != "" {
			t.Errorf("%s: exit %d: %s%s", args, got.code, got.out, got.err)
		}
		if got := allgreen(t, "", with(missing)...); got.code != 66 || got.out != "" || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d: %s%s", args, got.code, got.out, got.err)
		}
		if got := allgreen(t, "", with(broken)...); got.code != 78 || got.out != "" ||
			!strings.Contains(got.err, "broken.toml:1:1:") || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d: %s%s", args, got.code, got.out, got.err)
		}
	}
	for _, command := range []string{"check", "explain", "spf", "verify", "sign", "lab", "version"} {
		if help := allgreen(t, "", command, "--help").out; !strings.Contains(help, "--config") || !strings.Contains(help, "-v, --verbose") {
			t.Errorf("%s lacks a common option:\n%s", command, help)
		}
	}
	for _, args := range []string{"check --timeout -1s a.example --resolver 127.0.0.1:9", "check --watch -1s a.example"} {
		if got := allgreen(t, "", strings.Fields(args)...); got.code != 64 || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d: %s", args, got.code, got.err)
		}
	}
}

func TestCLIVersion(t *testing.T) {
	var o object
	if err := json.Unmarshal([]byte(allgreen(t, "", "version", "--json").out), &o); err != nil {
		t.Fatal(err)
	}
	has(t, "the version", o, "version go", "")
}
