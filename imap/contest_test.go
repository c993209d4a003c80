//go:build unix

package imap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// drain says a command and reads past its answer.
func (d *dialogue) drain(command string) {
	d.tag++
	tag := fmt.Sprintf("t%d ", d.tag)
	if _, err := io.WriteString(d.w, tag+command+"\r\n"); err != nil {
		d.t.Fatal(err)
	}
	for begins := true; ; {
		line, err := d.r.ReadSlice('\n')
		if err != nil && len(line) == 0 {
			d.t.Fatal(err)
		}
		if begins && bytes.HasPrefix(line, []byte(tag)) {
			if !bytes.HasPrefix(line[len(tag):], []byte("OK")) {
				d.t.Fatalf("%s: %s", command, line)
			}
			return
		}
		begins = err == nil
	}
}

// race has our server and Dovecot do the same in turns, b.N rounds, and reports the
// medians and how many times faster ours is. What a turn prepares is not counted.
func race(b *testing.B, ours, theirs func(), before ...func()) {
	b.Helper()
	var times [2][]float64
	for b.Loop() {
		for i, run := range []func(){ours, theirs} {
			if len(before) > 0 {
				before[i]()
			}
			begin := time.Now()
			run()
			times[i] = append(times[i], float64(time.Since(begin).Microseconds())/1000)
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	we, they := times[0][len(times[0])/2], times[1][len(times[1])/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(we, "ms")
	b.ReportMetric(they, "dovecot-ms")
	b.ReportMetric(they/we, "x-dovecot")
}

// BenchmarkAgainstDovecot does what mail programs do with our server and with Dovecot,
// over the same mail, in turns. Ours answers through TLS and a socket; Dovecot, which
// is spared both, through a pipe.
func BenchmarkAgainstDovecot(b *testing.B) {
	b.Run("SELECT 100,000", raceSelect)
	b.Run("10,000 messages", raceListing)
	b.Run("APPEND with 20 clients", raceAppend)
	b.Run("waiting in IDLE", raceIdle)
}

func raceSelect(b *testing.B) {
	const many = 100_000
	h := newHouse(b)
	h.fill("anna", many)
	d := newDovecotHome(b)
	const links = 30_000 // a file system has its limits
	for i := range many * 9 / 10 {
		if i%links == 0 {
			d.letter(i, "Subject: x\r\n\r\nhello\r\n")
			continue
		}
		first := i / links * links
		if err := os.Link(d.letterFile(first), d.letterFile(i)); err != nil {
			b.Fatal(err)
		}
	}
	ours, theirs := h.dialogue("anna"), d.open()
	theirs.drain("SELECT INBOX") // makes its index
	race(b, func() { ours.drain("SELECT INBOX") }, func() { theirs.drain("SELECT INBOX") })
}

func raceListing(b *testing.B) {
	const many = 10_000
	a := newArchive(b, many)
	a.catchUp()
	d := newDovecotHome(b)
	for i := range many {
		d.letter(i, newsletter(i))
	}
	var ours, theirs *dialogue
	closeOurs := func() {}
	again := func() {
		closeOurs()
		h, closeAll := a.open()
		s, addr := h.serve()
		p := h.program(addr, "anna")
		ours = &dialogue{t: b, w: p.w, r: p.r}
		closeOurs = func() {
			p.conn.Close()
			s.Shutdown(context.Background())
			closeAll()
		}
		ours.drain("SELECT INBOX")
	}
	forget := func() {
		if theirs != nil {
			theirs.close()
		}
		indexes, _ := filepath.Glob(filepath.Join(d.dir, "Maildir/dovecot.index*"))
		for _, file := range indexes {
			os.Remove(file)
		}
		theirs = d.open()
		theirs.drain("SELECT INBOX")
	}
	const list = "FETCH 1:* (UID FLAGS ENVELOPE)"
	b.Run("FETCH cold", func(b *testing.B) {
		race(b, func() { ours.drain(list) }, func() { theirs.drain(list) }, again, forget)
	})
	again()
	forget()
	defer func() { closeOurs() }()
	theirs.drain(list)
	for name, command := range map[string]string{"FETCH warm": list, "SEARCH TEXT": "SEARCH TEXT xylophone", "SEARCH FROM": "SEARCH FROM joe77",
		"SORT": "SORT (SUBJECT) UTF-8 ALL", "THREAD": "THREAD REFERENCES UTF-8 ALL", "bodies": "FETCH 1:1000 (UID BODY.PEEK[])"} {
		b.Run(name, func(b *testing.B) {
			ours.drain(command)
			theirs.drain(command)
			race(b, func() { ours.drain(command) }, func() { theirs.drain(command) })
		})
	}
}

// raceAppend has twenty programs append a message of 4 KB each, ten times.
func raceAppend(b *testing.B) {
	const clients, each = 20, 10
	message := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 64)
	command := fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(message), message)
	h := newHouse(b)
	_, addr := h.serve()
	var ours, theirs []*dialogue
	for i := range clients {
		p := h.program(addr, fmt.Sprintf("user%d", i))
		ours = append(ours, &dialogue{t: b, w: p.w, r: p.r})
		theirs = append(theirs, newDovecotHome(b).open())
	}
	all := func(who []*dialogue) func() {
		return func() {
			var wg sync.WaitGroup
			for _, d := range who {
				wg.Go(func() {
					for range each {
						d.drain(command)
					}
				})
			}
			wg.Wait()
		}
	}
	race(b, all(ours), all(theirs))
}

// raceIdle weighs a session that waits: ours with both ends of its socket, as far as
// they lie in this process, Dovecot's as the share of a process in the memory of many.
func raceIdle(b *testing.B) {
	const many = 100
	for b.Loop() {
		we := idle(b, many, false) / 1024
		var they float64
		home := newDovecotHome(b)
		home.letter(0, "Subject: x\r\n\r\nhello\r\n")
		var open []*dialogue
		for range many {
			d := home.open()
			d.drain("SELECT INBOX")
			d.tag++
			fmt.Fprintf(d.w, "t%d IDLE\r\n", d.tag)
			d.response()
			open = append(open, d)
		}
		for _, d := range open {
			they += share(b, d.pid)
		}
		for _, d := range open {
			d.close()
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(we, "KiB/session")
		b.ReportMetric(they/many, "dovecot-KiB/session")
		b.ReportMetric(they/many/we, "x-dovecot")
	}
}

// share is the memory of a process in KiB, with its part of what it shares.
func share(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("no Pss")
	return 0
}

// catchUp has the index read everything.
func (a *archive) catchUp() {
	h, closeAll := a.open()
	defer closeAll()
	if err := h.options.Index.CatchUp(context.Background()); err != nil {
		a.b.Fatal(err)
	}
}
