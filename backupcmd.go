package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// backupCommand makes copies of everything and looks after them.
type backupCommand struct {
	Now    backupNowCommand    `cmd:"" default:"withargs" help:"Make a backup now."`
	List   backupListCommand   `cmd:"" help:"List the backups there are, and who is in them."`
	Verify backupVerifyCommand `cmd:"" help:"Read everything back and compare it; name what is damaged."`
	Prune  backupPruneCommand  `cmd:"" help:"Let old backups go by the rule, and free the room."`
	Key    backupKeyCommand    `cmd:"" help:"Print the key that opens the backups: keep it elsewhere."`
}

// Examples end the help text.
func (backupCommand) Examples() string {
	return `allgreen backup key --out backup.key
allgreen backup now
allgreen backup list anna@example.com
allgreen backup verify`
}

// awaitJob begins long work on the server, shows how far it is, and gives its result.
func awaitJob[In, Out any](ctx context.Context, f adminFlags, common commonFlags, io streams, call web.Call[In, web.JobName], in In, what string) (Out, error) {
	var none Out
	client, err := f.client(common)
	if err != nil {
		return none, err
	}
	name, err := call.Do(ctx, client, in)
	if err != nil {
		return none, inCommand(err)
	}
	line := newProgressLine(io.err)
	defer line.clear()
	out, err := web.Await[Out](ctx, client, name, func(s web.JobState) {
		if s.Of > 0 {
			line.show("%s: %d of %d", what, s.Done, s.Of)
		} else {
			line.show("%s", what)
		}
	})
	return out, inCommand(err)
}

type backupNowCommand struct{ adminFlags }

// Examples end the help text.
func (backupNowCommand) Examples() string { return "allgreen backup now" }

// Run makes one.
func (c *backupNowCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	done, err := awaitJob[web.None, backup.Taken](ctx, c.adminFlags, common, io, web.BackupNow, web.None{}, "reading messages")
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, done)
	} else {
		_, err = fmt.Fprintf(io.out, "%s\n  %d accounts, %d messages, %s; new: %s, stored as %s\n", done.Snapshot,
			done.Accounts, done.Messages, octets(done.Bytes), octets(done.Written.Bytes), octets(done.Written.Stored))
	}
	for _, lost := range done.Lost {
		fmt.Fprintf(io.err, "not in it, because it cannot be read: %s\n", lost)
	}
	if err == nil && len(done.Lost) > 0 {
		err = exit(exitFailed)
	}
	return err
}

// repositoryFlags name backups without a server: on another machine.
type repositoryFlags struct {
	From string `help:"The backups in this folder or bucket (s3://HOST/BUCKET/PREFIX) instead of the server's own." placeholder:"PLACE"`
	Key  string `help:"The file with the key of --from." placeholder:"FILE"`
}

// open opens what the flags name.
func (f repositoryFlags) open(ctx context.Context) (*repository.Repository, error) {
	place, err := placeNamed(f.From, os.Getenv)
	if err != nil {
		return nil, err
	}
	if f.Key == "" {
		return nil, usage(errors.New("--from needs --key"), "the key is what allgreen backup key printed")
	}
	text, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, noInput(err, "--key names the file with the key")
	}
	key, err := repository.ParseKey(string(text))
	if err != nil {
		return nil, noInput(fmt.Errorf("%s: %w", f.Key, err), "the key is what allgreen backup key printed")
	}
	r, err := repository.Open(ctx, place, key)
	return r, inCommand(web.BackupError(err))
}

type backupListCommand struct {
	adminFlags
	repositoryFlags
	Address string `arg:"" optional:"" help:"Only those that have this account."`
	Users   bool   `help:"Name everybody in each."`
}

// Examples end the help text.
func (backupListCommand) Examples() string {
	return `allgreen backup list
allgreen backup list anna@example.com --json
allgreen backup list --from /mnt/backup --key backup.key`
}

// Run lists.
func (c *backupListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := c.list(ctx, common)
	if err != nil {
		return err
	}
	return listing[backup.Listed]{
		none: "there is none",
		heads: []show.Column{{Title: "snapshot", Keep: true}, {Title: "time", Keep: true}, {Title: "accounts", Right: true},
			{Title: "messages", Right: true}, {Title: "size", Right: true}, {Title: ""}},
		rows: func(l backup.Listed) (rows [][]string) {
			rows = append(rows, []string{l.Name, moment(l.Time), strconv.Itoa(l.Accounts), strconv.FormatInt(l.Messages, 10), octets(l.Bytes), l.Damaged})
			for _, u := range l.Users {
				rows = append(rows, []string{"  " + u.Address, "", "", strconv.FormatInt(u.Messages, 10), octets(u.Bytes), ""})
			}
			return rows
		},
	}.print(io, c.JSON, all)
}

func (c *backupListCommand) list(ctx context.Context, common commonFlags) ([]backup.Listed, error) {
	if c.From == "" {
		return ask(ctx, c.adminFlags, common, web.BackupList, web.BackupQuery{Address: c.Address, Users: c.Users})
	}
	r, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	all, err := backup.List(ctx, r, c.Address, c.Users)
	return all, inCommand(web.BackupError(err))
}

type backupVerifyCommand struct {
	adminFlags
	repositoryFlags
}

// Examples end the help text.
func (backupVerifyCommand) Examples() string {
	return `allgreen backup verify
allgreen backup verify --from /mnt/backup --key backup.key --json`
}

// Run reads everything back; exit 1 when something is damaged.
func (c *backupVerifyCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	report, err := c.verify(ctx, io, common)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, report)
	} else {
		tellReport(io, report)
	}
	if err == nil && !report.Sound() {
		err = exit(exitFailed)
	}
	return err
}

func (c *backupVerifyCommand) verify(ctx context.Context, io streams, common commonFlags) (*backup.Report, error) {
	if c.From == "" {
		report, err := awaitJob[web.None, backup.Report](ctx, c.adminFlags, common, io, web.BackupVerify, web.None{}, "reading packs")
		return &report, err
	}
	r, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	line := newProgressLine(io.err)
	defer line.clear()
	report, err := backup.Check(ctx, r, func(done, of int64) { line.show("reading packs: %d of %d", done, of) })
	return report, inCommand(web.BackupError(err))
}

// tellReport shows what was read, and each thing that is damaged.
func tellReport(io streams, r *backup.Report) {
	limit := width(io.out)
	for _, d := range r.Damaged {
		fmt.Fprintf(io.out, "damaged:\n  %s\n%s\n", d.File, show.Paragraph(fmt.Sprintf("%s; %d objects cannot be read", d.Why, d.Objects), 2, limit))
	}
	for _, m := range r.Messages {
		fmt.Fprintln(io.out, show.Paragraph(lossText(m), 0, limit))
	}
	if r.Unnamed > 0 {
		fmt.Fprintf(io.out, "and %d more messages\n", r.Unnamed)
	}
	word := "all is as it was written"
	if !r.Sound() {
		word = "what is named above is damaged; all else can be restored"
	}
	fmt.Fprintln(io.out, show.Paragraph(fmt.Sprintf("%d snapshots, %d files, %d objects, %s: %s", r.Snapshots, r.Files, r.Objects, octets(r.Bytes), word), 0, limit))
}

// lossText is what cannot be restored, and where it is missing.
func lossText(m backup.DamagedMessage) string {
	text := "cannot be restored: " + m.What
	if m.Address != "" {
		text += " of " + m.Address
	}
	if m.Folder != "" {
		text += " in " + m.Folder
	}
	if m.UID != 0 {
		text += fmt.Sprintf(" with UID %d, of %s, %s", m.UID, moment(m.Received), octets(m.Size))
	}
	return fmt.Sprintf("%s (in %d snapshots, the newest %s)", text, len(m.Snapshots), m.Snapshots[0])
}

type backupPruneCommand struct{ adminFlags }

// Examples end the help text.
func (backupPruneCommand) Examples() string { return "allgreen backup prune" }

// Run thins out.
func (c *backupPruneCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	done, err := awaitJob[web.None, backup.Pruned](ctx, c.adminFlags, common, io, web.BackupPrune, web.None{}, "finding out what is needed")
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, done)
	}
	_, err = fmt.Fprintf(io.out, "%d snapshots went; %d packs are free to go in a day, %d are gone (%s)\n", done.Snapshots, done.Doomed, done.Removed, octets(done.Bytes))
	return err
}

type backupKeyCommand struct {
	adminFlags
	Out string `help:"Write it into a new file, which only its owner may read." placeholder:"FILE"`
}

// Examples end the help text.
func (backupKeyCommand) Examples() string { return "allgreen backup key --out backup.key" }

// Run prints the key, as a file that age takes, too.
func (c *backupKeyCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	key, err := ask(ctx, c.adminFlags, common, web.BackupKey, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, key)
	}
	text := fmt.Sprintf("# opens the backups of an Allgreen mail server\n%s\n", key.Secret)
	if c.Out == "" {
		_, err = fmt.Fprint(io.out, text)
	} else {
		err = writeNew(c.Out, []byte(text))
	}
	if err == nil {
		fmt.Fprintln(io.err, show.Paragraph("Whoever has this key and the backups has all mail; without it the backups are worth nothing. Keep it on another machine, or on paper.", 0, width(io.err)))
	}
	return err
}

// writeNew writes a file that was not there, for its owner alone.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return noInput(err, "name a file that does not exist yet")
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// parseMoment reads a time as people write it, in UTC, or the name of a snapshot. A day
// means its end.
func parseMoment(text string) (at time.Time, snapshot string, err error) {
	if _, ok := repository.ParseSnapshot(text); ok {
		return time.Time{}, text, nil
	}
	if text != "" {
		at, err = parseTime(text)
	}
	return at, "", err
}

func parseTime(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(24*time.Hour - time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "20060102T150405Z", "20060102T150405"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage(fmt.Errorf("%q is no time", text), `write it as 2026-11-21, 2026-11-21T16:05 (UTC), 2026-11-21T16:05:00+01:00, or as a snapshot's name`)
}

// storedAt is where the configuration keeps mail, for people.
func storedAt(c *config.Config) string {
	if c.Store.PostgreSQL != "" {
		return "the database"
	}
	return c.Data
}
