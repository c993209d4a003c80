//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
)

// build makes the program as it is shipped.
func build(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "allgreen")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%s: %s", err, out)
	}
	return program
}

// BenchmarkStart is how long the program takes to start, say its version and end.
// The goal is less than 50 ms.
func BenchmarkStart(b *testing.B) {
	program := build(b)
	for b.Loop() {
		if err := exec.Command(program, "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThousandDomains is one run of the program over a list of domains. The
// goals are less than 15 s and 200 MB, and each question asked once.
func BenchmarkThousandDomains(b *testing.B) {
	const domains = 1000
	l, err := lab.Start(b.Context(), lab.Options{Bulk: domains})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	program, dir := build(b), b.TempDir()
	world, list := filepath.Join(dir, "lab.json"), filepath.Join(dir, "domains")
	if err := l.File().Write(world); err != nil {
		b.Fatal(err)
	}
	var names strings.Builder
	for i := range domains {
		fmt.Fprintln(&names, lab.BulkDomain(i+1))
	}
	if err := os.WriteFile(list, []byte(names.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	var rss int64
	var cpu time.Duration
	for b.Loop() {
		l.ForgetQuestions()
		state := checkList(b, program, world, list, domains)
		usage, _ := state.SysUsage().(*syscall.Rusage)
		rss = max(rss, usage.Maxrss<<10) // kilobytes on Linux (getrusage(2))
		cpu += state.UserTime() + state.SystemTime()
		for q, n := range l.Questions() {
			// Of the root's keys the resolver is asked once more: whether it passes
			// signatures on.
			if n > 1 && q.Name != "." {
				b.Errorf("%s was asked %d times", q, n)
			}
		}
	}
	b.ReportMetric(float64(rss)/(1<<20), "MB-RSS")
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(len(l.Questions())), "questions/op")
}

// checkList runs the program over a list and returns what it used.
func checkList(b *testing.B, program, world, list string, domains int) *os.ProcessState {
	b.Helper()
	cmd := exec.Command(program, "check", "--lab", "--json", "--only", "dns,mx,spf,dmarc", "--from-file", list)
	cmd.Env = append(os.Environ(), "ALLGREEN_LAB="+world)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	if n := bytes.Count(out, []byte("\n")); n != domains {
		b.Fatalf("%d reports for %d domains", n, domains)
	}
	if n := bytes.Count(out, []byte(`"status":"unknown"`)); n > 0 {
		b.Errorf("%d findings are unknown", n)
	}
	return cmd.ProcessState
}
