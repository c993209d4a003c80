package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// adminFlags are what every command to a running server takes.
type adminFlags struct {
	Lab  bool `help:"Speak to the server of the running lab."`
	JSON bool `name:"json" help:"Print JSON."`
}

// socketName is the administration socket in the data folder.
const socketName = "admin.sock"

// client speaks to the running server: that of the configuration, or the lab's.
func (f adminFlags) client(common commonFlags) (*web.Client, error) {
	dir, err := f.dataFolder(common)
	if err != nil {
		return nil, err
	}
	return web.NewClient(&world.World{Network: world.Machine()}, filepath.Join(dir, socketName)), nil
}

func (f adminFlags) dataFolder(common commonFlags) (string, error) {
	if !f.Lab {
		c, err := common.readConfig()
		if err != nil {
			return "", err
		}
		return c.Data, nil
	}
	file, err := world.ReadFile(labFile())
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && file.Server == "":
		return "", unreachable(errors.New("no lab is running"), "start one with: allgreen lab")
	case err != nil:
		return "", badConfig(err, "start the lab again with: allgreen lab")
	}
	return file.Server, nil
}

// ask makes a call and says what went wrong as commands do.
func ask[In, Out any](ctx context.Context, f adminFlags, common commonFlags, call web.Call[In, Out], in In) (Out, error) {
	client, err := f.client(common)
	if err != nil {
		var none Out
		return none, err
	}
	out, err := call.Do(ctx, client, in)
	return out, inCommand(err)
}

// inCommand gives an error of the server the exit code of a command.
func inCommand(err error) error {
	var e *web.Error
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unreachable(errors.New("this user may not administer the server"), "run it as root, or as the user of the server: sudo -u allgreen allgreen ...")
	case errors.Is(err, web.ErrNoServer):
		return unreachable(err, "start it with: allgreen serve")
	case errors.As(err, &e) && e.Kind == web.Invalid:
		return usage(e, e.Hint)
	case errors.As(err, &e) && e.Kind == web.Temporary:
		return &failure{exitTemporary, e, e.Hint}
	case errors.As(err, &e):
		return &failure{exitFailed, e, e.Hint}
	}
	return err
}
