package storetest

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Call is one system call of a recorded process. The record is what strace writes
// with -f, -xx and -y or -yy.
type Call struct {
	Thread       int
	Name         string
	Args         []string // strings in hexadecimal, quoted
	Result       string   // "-1" and less are errors; empty: the process ended in it
	Began, Ended int      // lines of the record
}

// OK reports whether it succeeded.
func (c Call) OK() bool { return c.Result != "" && !strings.HasPrefix(c.Result, "-") }

// IsSync reports fsync and fdatasync.
func (c Call) IsSync() bool { return c.Name == "fsync" || c.Name == "fdatasync" }

// IsWrite reports a call that writes what Data gives.
func (c Call) IsWrite() bool { return strings.Contains(c.Name, "write") }

// Path is what the file descriptor of the first argument stands for: the path of a
// file, the addresses of a connection.
func (c Call) Path() string {
	_, path, _ := strings.Cut(c.Args[0], "<")
	return unhex(strings.TrimSuffix(path, ">"))
}

// Text is an argument that is a string.
func (c Call) Text(i int) string { return unhex(c.Args[i]) }

// Data is what a call wrote, as far as it was recorded.
func (c Call) Data() string {
	if len(c.Args) < 2 {
		return ""
	}
	if c.Name == "write" || c.Name == "pwrite64" {
		return unhex(c.Args[1])
	}
	var all strings.Builder // a vector
	for _, m := range vectorPart.FindAllStringSubmatch(strings.Join(c.Args[1:], ", "), -1) {
		all.WriteString(unhex(m[1]))
	}
	return all.String()
}

// Rename is what a successful call named anew.
func (c Call) Rename() (from, to string, ok bool) {
	switch {
	case !strings.HasPrefix(c.Name, "rename") || !c.OK():
		return "", "", false
	case c.Name == "rename":
		return unhex(c.Args[0]), unhex(c.Args[1]), true
	}
	return unhex(c.Args[1]), unhex(c.Args[3]), true
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*?)( <unfinished \.\.\.>|\) += (-?\d+).*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)`)
	vectorPart  = regexp.MustCompile(`iov_base=("[^"]*")`)
)

// ReadCalls reads a record, in the order in which the calls began.
func ReadCalls(file string) ([]Call, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 1<<20), 64<<20)
	var calls []Call
	open := map[int]int{} // by thread: its call that has not ended
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			thread, _ := strconv.Atoi(m[1])
			if i, ok := open[thread]; ok {
				calls[i].Ended, calls[i].Result = n, m[3]
			}
			delete(open, thread)
		} else if m := callLine.FindStringSubmatch(line); m != nil {
			thread, _ := strconv.Atoi(m[1])
			calls = append(calls, Call{Thread: thread, Name: m[2], Args: strings.Split(m[3], ", "), Result: m[5], Began: n, Ended: n})
			if m[5] == "" {
				open[thread] = len(calls) - 1
			}
		}
	}
	return slices.Clip(calls), lines.Err()
}

// unhex reads a string of \x00 escapes, quoted or not.
func unhex(s string) string {
	s = strings.Trim(s, `"`)
	out := make([]byte, 0, len(s)/4)
	for i := 0; i < len(s); {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			b, _ := strconv.ParseUint(s[i+2:i+4], 16, 8)
			out = append(out, byte(b))
			i += 4
			continue
		}
		out = append(out, s[i])
		i++
	}
	return string(out)
}
