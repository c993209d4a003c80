package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a server has used of the machine: all processes that descend from
// one, for Postfix is many.
type Usage struct {
	CPU       time.Duration // user and system, of the living and of the children they waited for
	RSS       int64         // octets in memory now, shared pages counted for each process
	Peak      int64         // octets that were the most of any one process
	Processes int
}

// ticks is the unit of times in /proc/PID/stat (sysconf(_SC_CLK_TCK) is 100 on
// every Linux that Go runs on).
const ticks = time.Second / 100

// UsageOf reads what the process and its descendants have used.
func UsageOf(pid int) (Usage, error) {
	all, err := processes()
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for _, p := range descendants(all, pid) {
		u.CPU += time.Duration(p.ticks) * ticks
		rss, peak := memory(p.pid)
		u.RSS += rss
		u.Peak = max(u.Peak, peak)
		u.Processes++
	}
	if u.Processes == 0 {
		return u, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	return u, nil
}

type process struct {
	pid, parent int
	ticks       int64
}

func processes() (map[int]process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := map[int]process{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		if p, ok := parseStat(text); ok {
			all[p.pid] = p
		}
	}
	return all, nil
}

// parseStat reads the line of proc(5). The name, in brackets, may hold anything.
func parseStat(text []byte) (process, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, false
	}
	f := strings.Fields(string(text[end+1:]))
	if len(f) < 15 {
		return process{}, false
	}
	p := process{}
	p.pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:open])))
	p.parent, _ = strconv.Atoi(f[1])
	for _, field := range f[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(field, 10, 64)
		p.ticks += n
	}
	return p, p.pid > 0
}

func descendants(all map[int]process, root int) []process {
	var found []process
	for pid, p := range all {
		for at, steps := pid, 0; at > 1 && steps < 64; at, steps = all[at].parent, steps+1 {
			if at == root {
				found = append(found, p)
				break
			}
		}
	}
	return found
}

func memory(pid int) (rss, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			rss = n << 10
		case "VmHWM":
			peak = n << 10
		}
	}
	return rss, peak
}
