package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is the PostgreSQL of this test binary, started when first asked for.
var server = sync.OnceValues(startServer)

// A running server ends when its pipe is closed: by the end of this process, or by
// the garbage collector if nobody held it.
type running struct {
	dsn  string
	pipe io.WriteCloser
}

var schemaNumber atomic.Int64

var errNoPostgreSQL = errors.New("PostgreSQL's initdb and postgres are not installed (Debian: postgresql)")

// PostgreSQL gives a connection string to a fresh, empty place in a temporary
// PostgreSQL server. Without the programs the test is skipped, and fails when CI is
// true.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	s, err := server()
	if errors.Is(err, errNoPostgreSQL) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dsn := s.dsn
	schema := fmt.Sprintf("t%d", schemaNumber.Add(1))
	sql(t, dsn, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { sql(t, dsn, "DROP SCHEMA "+schema+" CASCADE") })
	return dsn + " search_path=" + schema
}

func sql(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Error(err)
	}
}

// supervise ends the server when its pipe is closed, which the end of the test binary
// does however it comes. The folder is kept when $3 says so.
const supervise = `"$1" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 >>"$2/log" 2>&1 &
read end
kill -QUIT $!
wait $!
[ "$3" = keep ] || rm -rf "$2"`

func startServer() (*running, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	_, pipe, err := c.start("remove")
	return &running{dsn: c.dsn(), pipe: pipe}, err
}

// cluster is a folder with a database, and whom the server runs as.
type cluster struct {
	postgres, dir string
	who           *syscall.SysProcAttr
}

func (c *cluster) dsn() string { return fmt.Sprintf("host=%s user=allgreen dbname=postgres", c.dir) }

func newCluster() (*cluster, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := find("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "storetest-pg-")
	if err != nil {
		return nil, err
	}
	who, err := servant(dir)
	if err != nil {
		return nil, err
	}
	init := exec.Command(initdb, "-D", filepath.Join(dir, "data"), "-U", "allgreen", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	init.Dir, init.SysProcAttr = dir, who
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return &cluster{postgres, dir, who}, nil
}

// start starts the server and waits until it answers. It ends when the pipe does.
func (c *cluster) start(afterwards string) (*exec.Cmd, io.WriteCloser, error) {
	run := exec.Command("/bin/sh", "-c", supervise, "sh", c.postgres, c.dir, afterwards)
	run.Dir, run.SysProcAttr = c.dir, c.who
	pipe, err := run.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := run.Start(); err != nil {
		return nil, nil, err
	}
	return run, pipe, await(c.dsn(), filepath.Join(c.dir, "log"))
}

// Database is a PostgreSQL of one test, which may stop it and start it again.
type Database struct {
	DSN string

	cluster *cluster
	run     *exec.Cmd
	pipe    io.WriteCloser
}

// OwnPostgreSQL starts a PostgreSQL for this test alone. Without the programs the test
// is skipped, and fails when CI is true.
func OwnPostgreSQL(t testing.TB) *Database {
	t.Helper()
	c, err := newCluster()
	if errors.Is(err, errNoPostgreSQL) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &Database{DSN: c.dsn(), cluster: c}
	t.Cleanup(func() {
		if d.run != nil {
			d.Stop(t)
		}
		os.RemoveAll(c.dir)
	})
	d.Start(t)
	return d
}

// Start starts the server with what is in its folder.
func (d *Database) Start(t testing.TB) {
	t.Helper()
	var err error
	if d.run, d.pipe, err = d.cluster.start("keep"); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server at once, as a crash does, and all connections with it.
func (d *Database) Stop(t testing.TB) {
	t.Helper()
	d.pipe.Close()
	_ = d.run.Wait() // it was killed
	d.run = nil
}

// await waits until the server answers.
func await(dsn, log string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, dsn)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := os.ReadFile(log)
			return fmt.Errorf("start PostgreSQL: %w\n%s", err, text)
		}
	}
}

func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	slices.Sort(paths)
	if len(paths) == 0 {
		return "", errNoPostgreSQL
	}
	return paths[len(paths)-1], nil
}

// servant is whom the server runs as: it refuses root. The folder becomes theirs.
func servant(dir string) (*syscall.SysProcAttr, error) {
	// A group of its own, so that an interrupt at the terminal leaves its end to us.
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, errors.Join(err1, err2, os.Chown(dir, uid, gid))
}
