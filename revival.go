package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// revival brings a whole server back, on a machine that has the program, the backups
// and their key, and nothing else.
type revival struct {
	*restoreFoldersCommand
	at     time.Time
	name   string // of a snapshot
	io     streams
	common commonFlags
}

// run brings it back; run again after it was stopped, it goes on.
func (v *revival) run(ctx context.Context) error {
	repo, err := v.repository(ctx)
	if err != nil {
		return err
	}
	snapshot, err := backup.Pick(ctx, repo, v.name, v.at)
	if err != nil {
		return inCommand(web.BackupError(err))
	}
	settings, written, err := v.settings(ctx, repo, snapshot)
	if err != nil {
		return err
	}
	if !v.Yes && !agreed(v.io, fmt.Sprintf("Bring %d accounts with %d messages (%s), as of %s, into %s? [y/N] ",
		len(snapshot.Accounts), snapshot.Messages, octets(snapshot.Bytes), moment(snapshot.Time), storedAt(settings))) {
		_, err := fmt.Fprintln(v.io.err, "Nothing was done. Say --yes where nobody can be asked.")
		return err
	}
	if written != nil {
		if err := v.writeSettings(written); err != nil {
			return err
		}
	}
	line := newProgressLine(v.io.err)
	bring := backup.Revival{
		Structure:  structure.Of,
		Repository: repo, Snapshot: snapshot, Progress: func(done, of int64) { line.show("restoring messages: %d of %d", done, of) },
		Open: func(ctx context.Context, as func(store.Schema) (store.Schema, error)) (*store.Store, error) {
			return openAs(ctx, settings, as)
		},
		Import: func(ctx context.Context, st *store.Store, keys []byte) error {
			return importKeys(ctx, st, settings, keys)
		},
	}
	done, err := bring.Run(ctx)
	line.clear()
	if errors.Is(err, backup.ErrNotEmpty) {
		return &failure{exitFailed, err, "a whole server is brought back into an empty place only; for one user: allgreen restore ADDRESS"}
	}
	if err != nil {
		return whyNotServing(err, settings)
	}
	return v.tell(done)
}

// repository is the one that was named, or that of the configuration.
func (v *revival) repository(ctx context.Context) (*repository.Repository, error) {
	if v.From != "" {
		return v.open(ctx)
	}
	c, err := v.common.readConfig()
	if err != nil {
		return nil, usage(errors.New("there is no configuration that names the backups"), "name them: --from PLACE --key FILE")
	}
	place, err := backupPlace(c.Backup)
	if err != nil {
		return nil, err
	}
	if place == nil {
		return nil, usage(backup.ErrOff, "name them: --from PLACE --key FILE")
	}
	text := []byte(c.Backup.Key)
	if v.Key != "" {
		if text, err = os.ReadFile(v.Key); err != nil {
			return nil, noInput(err, "--key names the file with the key")
		}
	}
	if len(text) == 0 {
		return nil, usage(errors.New("the key of the backups is needed"), "--key names the file that allgreen backup key printed")
	}
	key, err := repository.ParseKey(string(text))
	if err != nil {
		return nil, noInput(err, "the key is what allgreen backup key printed")
	}
	r, err := repository.Open(ctx, place, key)
	return r, inCommand(web.BackupError(err))
}

// settings are the configuration of this machine where it has one, and otherwise that of
// the snapshot, which is then to be written.
func (v *revival) settings(ctx context.Context, repo *repository.Repository, s *backup.Snapshot) (c *config.Config, write []byte, err error) {
	path := v.common.configPath()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		c, err := v.common.readConfig()
		return c, nil, err
	}
	text, err := backup.SettingsOf(ctx, repo, s)
	if err != nil {
		return nil, nil, inCommand(web.BackupError(err))
	}
	c, err = config.Parse(path, filepath.Dir(path), text)
	if err != nil {
		return nil, nil, badConfig(fmt.Errorf("the configuration in the backup: %w", err),
			"it names files that are not in the backup, perhaps; bring them, or write a configuration of your own")
	}
	return c, text, nil
}

func (v *revival) writeSettings(text []byte) error {
	path := v.common.configPath()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return noInput(err, "--config names another place")
	}
	err := writeNew(path, text)
	if err == nil {
		fmt.Fprintf(v.io.err, "%s is as it was\n", path)
	}
	return err
}

// openAs opens the store of a configuration with each schema made into another.
func openAs(ctx context.Context, c *config.Config, as func(store.Schema) (store.Schema, error)) (*store.Store, error) {
	o, err := storeOptions(c)
	if err != nil {
		return nil, err
	}
	o.Clock = (&world.World{}).Now
	for _, s := range schemas() {
		s, err := as(s)
		if err != nil {
			return nil, err
		}
		o.Schemas = append(o.Schemas, s)
	}
	return store.Open(ctx, o)
}

// importKeys brings keys and secrets back; those that an earlier try has brought stay.
func importKeys(ctx context.Context, st *store.Store, c *config.Config, keys []byte) error {
	var n int
	err := st.Read(ctx, func(tx *store.Tx) error { return tx.Row(`SELECT count(*) FROM identity_secret`).Scan(&n) })
	if err != nil || n > 0 {
		return err
	}
	return identity.Import(ctx, st, filepath.Join(c.Data, nodeKeyName), keys, nil)
}

func (v *revival) tell(done backup.Revived) (err error) {
	if v.JSON {
		err = printJSON(v.io.out, done)
	} else {
		_, err = fmt.Fprintf(v.io.out, "%d accounts, %d folders and %d messages are back, as of %s; start the server: allgreen serve\n",
			done.Accounts, done.Folders, done.Messages, moment(done.Time))
		for _, m := range done.Missing {
			fmt.Fprintf(v.io.err, "missing: %s, %s, UID %d: %s\n", m.Address, m.Folder, m.UID, m.Why)
		}
	}
	if err == nil && len(done.Missing) > 0 {
		err = exit(exitFailed)
	}
	return err
}
