package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/allgreen-mail/allgreen/check"
)

// nonsense is a target that cannot be checked, as JSON has it.
type nonsense struct {
	Target string `json:"target"`
	Error  string `json:"error"`
}

// targets are what the arguments and the file name, the nonsense among them apart.
func (c *checkCommand) targets(io streams) (targets []check.Target, bad []nonsense, err error) {
	as, err := check.ParseKind(c.As)
	if err != nil {
		return nil, nil, usage(err, "leave --as away to have it found out")
	}
	words, bad, err := c.words()
	if err != nil {
		return nil, nil, err
	}
	if len(words)+len(bad) == 0 {
		return nil, nil, usage(errors.New("there is no target"), "name a domain: allgreen check example.com")
	}
	var message []byte // standard input can be read once, and named more often
	for _, word := range words {
		t, err := check.ParseTarget(word, as)
		if err != nil {
			bad = append(bad, nonsense{word, err.Error()})
			continue
		}
		if t.Kind == check.Message && message == nil {
			if message, err = readMessage(io.in); err != nil {
				return nil, nil, err
			}
		}
		if t.Kind == check.Message {
			t.Raw = message
		}
		targets = append(targets, t)
	}
	return targets, bad, nil
}

// words are the arguments and the lines of the file.
func (c *checkCommand) words() (words []string, bad []nonsense, err error) {
	if c.FromFile == "" {
		return c.Targets, nil, nil
	}
	f, err := os.Open(c.FromFile)
	if err != nil {
		return nil, nil, noInput(err, "--from-file names a file with one target a line")
	}
	defer f.Close()
	words, bad, err = readLines(f)
	if err != nil {
		return nil, nil, noInput(err, "--from-file names a file with one target a line")
	}
	return append(c.Targets[:len(c.Targets):len(c.Targets)], words...), bad, nil
}

// maxLine is many times the longest target; what is longer is no list of targets.
const maxLine = 4096

// readLines reads a target a line; # begins a comment. A line that is too long is
// nonsense, and the next one is read.
func readLines(r io.Reader) (words []string, bad []nonsense, err error) {
	lines := bufio.NewReaderSize(r, maxLine)
	for number := 1; ; number++ {
		text, cut, err := lines.ReadLine()
		line, _, commented := strings.Cut(string(text), "#")
		if line = strings.TrimSpace(line); cut && !commented {
			bad = append(bad, nonsense{fmt.Sprintf("%.100s...", line), fmt.Sprintf("line %d is longer than %d octets", number, maxLine)})
		} else if line != "" {
			words = append(words, line)
		}
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		if errors.Is(err, io.EOF) {
			return words, bad, nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// maxMessage bounds a message on standard input.
const maxMessage = 64 << 20

func readMessage(in io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	switch {
	case err != nil:
		return nil, noInput(err, "the message is read from standard input")
	case len(raw) == 0:
		return nil, noInput(errors.New("there is no message on standard input"), "use: allgreen check - < message.eml")
	case len(raw) > maxMessage:
		return nil, noInput(errors.New("the message is larger than 64 MB"), "")
	}
	return raw, nil
}
