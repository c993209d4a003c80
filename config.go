package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/allgreen-mail/allgreen/config"
)

// checkConfig holds every command to a --config that somebody named: what cannot be
// read ends it, also where it would not have looked. serve looks itself, and may have
// more to say; restore may bring it back, and setup writes it.
func (c commonFlags) checkConfig(command string) error {
	if c.Config == "" || command == "serve" || strings.HasPrefix(command, "setup") || strings.HasPrefix(command, "restore") {
		return nil
	}
	_, err := c.readConfig()
	return err
}

// readConfig reads the configuration: the one that --config names, or the one in its
// usual place.
func (c commonFlags) readConfig() (*config.Config, error) {
	path := c.configPath()
	read, err := config.Read(path)
	var wrong config.Problems
	switch {
	case errors.As(err, &wrong):
		return nil, badConfig(firstOf(wrong), moreOf(wrong))
	case errors.Is(err, fs.ErrNotExist) && c.Config == "":
		return nil, noInput(fmt.Errorf("there is no configuration at %s", path), "allgreen setup writes one; --config names one that is elsewhere")
	case err != nil:
		return nil, noInput(err, "--config names the configuration file")
	}
	return read, nil
}

func (c commonFlags) configPath() string {
	if c.Config != "" {
		return c.Config
	}
	return config.DefaultPath
}

// firstOf is the first problem alone: one clear line.
func firstOf(wrong config.Problems) error { return errors.New(wrong[0].String()) }

func moreOf(wrong config.Problems) string {
	const check = "allgreen serve --check shows every problem"
	if len(wrong) == 1 {
		return check
	}
	return fmt.Sprintf("%d more; %s", len(wrong)-1, check)
}
