package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/web"
)

// newBackups makes the keeper of the backups.
func (s *server) newBackups(ctx context.Context, c *config.Config) error {
	settings, err := s.backupSettings(ctx, c)
	if err != nil {
		return err
	}
	s.backups = backup.New(backup.Options{
		Store: s.store, Now: s.world.Now, Find: s.accounts.Get, Dir: filepath.Join(c.Data, "spool"), Host: c.Hostname.String(), Program: programVersion(),
		Export:    func(ctx context.Context) ([]byte, error) { return s.identity.Export(ctx, nil) },
		Structure: structure.Of,
		Write:     s.writeLetter,
		Deliver:   s.deliverLetter,
		Alert:     func(ctx context.Context, subject, text string) { s.alert(ctx, subject, text, "") },
		Log:       s.log,
	}, settings)
	return nil
}

func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// backupSettings are what the configuration says of backups, with the key that the
// server keeps where the configuration has none.
func (s *server) backupSettings(ctx context.Context, c *config.Config) (out backup.Settings, err error) {
	if out.Place, err = backupPlace(c.Backup); err != nil || out.Place == nil {
		return out, err
	}
	if out.Key, err = backupKey(ctx, c.Backup, s.identity); err != nil {
		return out, err
	}
	if out.At, err = backup.ParseSchedule(c.Backup.Times); err != nil {
		return out, err
	}
	out.Keep = backup.Retention{Daily: c.Backup.KeepDaily, Weekly: c.Backup.KeepWeekly, Monthly: c.Backup.KeepMonthly}
	if out.Text, err = os.ReadFile(s.path); err != nil {
		return out, fmt.Errorf("read the configuration for the backup: %w", err)
	}
	return out, nil
}

// backupPlace is nil when there are to be no backups.
func backupPlace(b config.Backup) (repository.Place, error) {
	switch {
	case b.S3.Endpoint != "":
		return repository.NewS3(repository.S3Options{
			Endpoint: b.S3.Endpoint, Bucket: b.S3.Bucket, Region: b.S3.Region, Prefix: b.S3.Prefix,
			AccessKey: b.S3.AccessKey, SecretKey: string(b.S3.SecretKey), Plain: b.S3.Plaintext,
		})
	case b.To != "":
		return repository.NewFolder(b.To), nil
	}
	return nil, nil
}

// backupKey is the key of the configuration, or the one that was made once and is kept
// with the other secrets.
func backupKey(ctx context.Context, b config.Backup, id *identity.Identity) (repository.Key, error) {
	if b.Key != "" {
		return repository.ParseKey(string(b.Key))
	}
	fresh, err := repository.NewKey()
	if err != nil {
		return fresh, err
	}
	kept, err := id.Keep(ctx, "backup", []byte(fresh.Secret()))
	if err != nil {
		return fresh, err
	}
	return repository.ParseKey(string(kept))
}

// placeNamed is the place that a person names: a folder, or s3://host/bucket/prefix with
// the keys in the environment, as other tools have them; s3+http: within a machine.
func placeNamed(text string, getenv func(string) string) (repository.Place, error) {
	if !strings.HasPrefix(text, "s3://") && !strings.HasPrefix(text, "s3+http://") {
		if _, err := os.Stat(text); err != nil {
			return nil, noInput(err, "--from names the folder or s3://HOST/BUCKET/PREFIX that holds the backups")
		}
		return repository.NewFolder(text), nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, usage(err, "write it as s3://HOST/BUCKET/PREFIX")
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host == "" || bucket == "" {
		return nil, usage(fmt.Errorf("%q names no bucket", text), "write it as s3://HOST/BUCKET/PREFIX")
	}
	return repository.NewS3(repository.S3Options{
		Endpoint: u.Host, Bucket: bucket, Prefix: prefix, Region: getenv("AWS_REGION"), Plain: u.Scheme == "s3+http",
		AccessKey: getenv("AWS_ACCESS_KEY_ID"), SecretKey: getenv("AWS_SECRET_ACCESS_KEY"),
	})
}

// writeLetter composes a note to the owner of a mailbox.
func (s *server) writeLetter(l backup.Letter) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Return-Path: <>\r\n")
	now, host := s.world.Now(), s.identity.Statement().Hostname
	err := message.Compose(&b, message.Draft{
		From: []message.Mailbox{{Name: "Allgreen", Address: mail.Address{Local: "postmaster", Domain: host}}},
		To:   []message.Mailbox{{Address: l.To}}, Subject: l.Subject, Date: now, Text: l.Text,
		MessageID: string(mail.NewTraceID(now)) + "@" + host.String(),
		Fields:    []message.Field{message.NewField("Auto-Submitted", "auto-generated")}, // RFC 3834
	})
	return b.Bytes(), err
}

// deliverLetter puts a note into the INBOX of its owner.
func (s *server) deliverLetter(ctx context.Context, l backup.Letter) error {
	text, err := s.writeLetter(l)
	if err != nil {
		return err
	}
	spool := s.store.NewSpool()
	defer spool.Close()
	if _, err := spool.Write(text); err != nil {
		return err
	}
	now := s.world.Now()
	return s.accept.Commit(ctx, accept.Message{
		Trace: mail.NewTraceID(now), Spool: spool, Received: now, Also: l.Also,
		Deliveries: []accept.Delivery{{To: l.To, Destination: account.Destination{Mailboxes: []account.Target{{Account: l.Account, Address: l.To}}}}},
	})
}

// errRestoring keeps a server from working on half of its mail.
var errRestoring = errors.New("this server is being brought back from a backup, and that was stopped")

// refuseUnfinished looks whether a restore of everything was stopped.
func (s *server) refuseUnfinished(ctx context.Context) error {
	snapshot, err := backup.Unfinished(ctx, s.store)
	if err == nil && snapshot != "" {
		err = errRestoring
	}
	return err
}

// backupFigures show how old the last backup is, and what it took.
func (s *server) backupFigures() []web.Family {
	return []web.Family{
		{Name: "backup_last_success_timestamp_seconds", Help: "When the last backup ended, as seconds since 1970; absent: never.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			if t := s.backups.Stats().Succeeded; !t.IsZero() {
				emit(float64(t.Unix()))
			}
		}},
		{Name: "backup_failed", Help: "1 when the last backup of this process failed.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			emit(map[bool]float64{true: 1}[s.backups.Stats().Failed])
		}},
		{Name: "backup_stored_bytes", Help: "What the last backup of this process added to its place.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			emit(float64(s.backups.Stats().Last.Written.Stored))
		}},
		{Name: "backup_messages", Help: "Messages in the last backup of this process.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			emit(float64(s.backups.Stats().Last.Messages))
		}},
	}
}
