package setup

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// freshZone is a domain with name servers and nothing else.
const freshZone = `
fresh.example. SOA ns1.nameserver.example. hostmaster.nameserver.example. 1 7200 1800 1814400 60
fresh.example. NS ns1.nameserver.example.
fresh.example. NS ns2.nameserver.example.
`

// emptyHouse has no configuration and no server. What it is not asked for it has not.
type emptyHouse struct{ House }

func (emptyHouse) Path() string                    { return "allgreen.toml" }
func (emptyHouse) Settings() (Settings, error)     { return Settings{}, ErrNoConfiguration }
func (emptyHouse) IsServing(context.Context) bool  { return false }
func (emptyHouse) Configure(string, string) error  { return errors.New("it was not to be written") }
func (emptyHouse) Serve(ctx context.Context) error { return errors.New("it was not to be started") }

// script is a desk at which the answers are known.
type script struct {
	answers []string // in their order; none left: nobody can be asked
	said    []string
}

func (s *script) Begin(int, int, string)          {}
func (s *script) Tell(n Note)                     { s.said = append(s.said, n.Text) }
func (s *script) Say(text string)                 { s.said = append(s.said, text) }
func (s *script) Wait(string)                     {}
func (s *script) Confirm(string) (bool, error)    { return false, nil }
func (s *script) Secret(string) (string, error)   { return "", nil }
func (s *script) Password(string) (string, error) { return "", nil }

func (s *script) Ask(question, usual string) (string, error) {
	s.said = append(s.said, question)
	if len(s.answers) == 0 {
		return usual, ErrNobody
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer, nil
}

// aMachine is a setup in the lab for a machine at an address that has nothing yet.
func aMachine(t *testing.T, l *lab.Lab, address string) *Setup {
	t.Helper()
	w := l.World()
	s, err := New(Options{
		Domain: mail.MustParseDomain("fresh.example"), World: w, House: emptyHouse{}, Desk: &script{}, Data: t.TempDir(),
		Edge:   identity.EdgeSources{SMTP: []mail.Domain{mail.MustParseDomain("green.example")}},
		Clocks: []string{"https://green.example/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if address != "" {
		s.Answers.Addresses = []netip.Addr{netip.MustParseAddr(address)}
	}
	return s
}

// TestMachine looks at machines that something is wrong with.
func TestMachine(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Zones: []string{freshZone, "30.0.11.127.in-addr.arpa. PTR mx.fresh.example.\n31.0.11.127.in-addr.arpa. PTR other.example.\n"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		name, address string
		change        func(*Setup)
		stops         bool
		want          Note // status and the beginning of the text
	}{
		{name: "right", address: "127.11.0.30", want: Note{Status: finding.Green, Text: "the name of 127.11.0.30 (PTR record) is mx.fresh.example"}},
		{name: "can send", address: "127.11.0.30", want: Note{Status: finding.Green, Text: "mail can leave"}},
		{name: "never sure of the way in", address: "127.11.0.30", want: Note{Status: finding.Unknown, Text: "whether others reach port 25"}},
		{name: "lists answer", address: "127.11.0.30", want: Note{Status: finding.Green, Text: "blocklists answer this resolver"}},
		{name: "not registered", address: "127.11.0.30", stops: true, want: Note{Status: finding.Red, Text: "nobody.example has no name servers"},
			change: func(s *Setup) { s.Domain = mail.MustParseDomain("nobody.example") }},
		{name: "no name", address: "127.11.0.32", want: Note{Status: finding.Yellow, Text: "127.11.0.32 has no name"}},
		{name: "another name", address: "127.11.0.31", want: Note{Status: finding.Yellow, Text: "127.11.0.31 is named other.example, and this server calls itself mx.fresh.example"},
			change: func(s *Setup) { s.Answers.Hostname = mail.MustParseDomain("mx.fresh.example") }},
		{name: "a private address", address: "192.168.7.1", stops: true, want: Note{Status: finding.Red, Text: "192.168.7.1 is a private address"}},
		{name: "nobody tells", stops: true, want: Note{Status: finding.Red, Text: "nobody tells at which address"},
			change: func(s *Setup) { s.Edge = identity.EdgeSources{} }},
		{name: "a person tells", want: Note{Status: finding.Green, Text: "the name of 127.11.0.30"},
			change: func(s *Setup) { s.Edge, s.Desk = identity.EdgeSources{}, &script{answers: []string{"127.11.0.30"}} }},
		{name: "port 25 is closed", address: "127.11.0.30", want: Note{Status: finding.Yellow, Text: "mail cannot leave"},
			change: func(s *Setup) { s.Edge.SMTP = []mail.Domain{mail.MustParseDomain("unreachable.example")} }},
		{name: "late", address: "127.11.0.30", want: Note{Status: finding.Yellow, Text: "the clock is wrong by "},
			change: func(s *Setup) { s.World.Clock = func() time.Time { return time.Now().Add(-5 * time.Minute) } }},
		{name: "far too early", address: "127.11.0.30", stops: true, want: Note{Status: finding.Red, Text: "the clock is wrong by "},
			change: func(s *Setup) { s.World.Clock = func() time.Time { return time.Now().Add(2 * time.Hour) } }},
		{name: "nobody tells the time", address: "127.11.0.30", want: Note{Status: finding.Unknown, Text: "whether the clock is right"},
			change: func(s *Setup) { s.Clocks = []string{"https://no-such-name.example/"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := aMachine(t, l, tt.address)
			if tt.change != nil {
				tt.change(s)
			}
			out, err := s.lookAtMachine(t.Context())
			if err != nil || out.Stop != tt.stops {
				t.Fatalf("%+v, %v", out, err)
			}
			if !slices.ContainsFunc(out.Notes, func(n Note) bool { return n.Status == tt.want.Status && strings.HasPrefix(n.Text, tt.want.Text) }) {
				t.Errorf("no %v in %+v", tt.want, out.Notes)
			}
			if out.Changed {
				t.Error("looking changes nothing")
			}
		})
	}
}

// TestPortsTaken finds who is in the way, by name where the system tells.
func TestPortsTaken(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{"30.0.11.127.in-addr.arpa. PTR mx.fresh.example.\n"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := aMachine(t, l, "127.11.0.30")
	taken, err := s.World.Listen(t.Context(), netip.MustParseAddrPort("127.11.0.30:25"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	out := green()
	s.machine.addresses = s.Answers.Addresses
	s.lookAtPorts(t.Context(), Settings{}, &out)
	if !out.Stop || !strings.HasPrefix(out.Line, "another program has the ports 25") {
		t.Errorf("%+v", out)
	}
}

func TestHolderOf(t *testing.T) {
	proc := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(proc, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	write("net/tcp", head+"   0: 0100007F:0019 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 7 1\n"+
		"   1: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1\n")
	write("123/comm", "exim4\n")
	if err := errors.Join(os.MkdirAll(filepath.Join(proc, "123/fd"), 0o755), os.Symlink("socket:[4711]", filepath.Join(proc, "123/fd/5"))); err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint16]string{25: " (exim4)", 26: ""} {
		if got := holderOf(proc, port); got != want {
			t.Errorf("port %d: %q, want %q", port, got, want)
		}
	}
	if got := holderOf(filepath.Join(proc, "none"), 25); got != "" {
		t.Errorf("without /proc: %q", got)
	}
}

func TestHosters(t *testing.T) {
	ids, asns := map[string]bool{}, map[uint32]string{}
	for _, h := range Hosters() {
		if ids[h.ID] || h.ID == "" || h.Name == "" || h.PTR == "" || len(h.ASNs) == 0 {
			t.Errorf("%+v: an id twice, or something missing", h)
		}
		ids[h.ID] = true
		for _, asn := range h.ASNs {
			if asns[asn] != "" {
				t.Errorf("AS%d is %s's and %s's", asn, asns[asn], h.ID)
			}
			asns[asn] = h.ID
		}
		if !slices.Contains([]string{"open", "ask", "self", "shut"}, h.Port) || h.Port != "open" && h.Open == "" {
			t.Errorf("%s: port 25 is %q, opened by %q", h.ID, h.Port, h.Open)
		}
		var out Outcome
		h.tell(netip.MustParseAddr("203.0.113.7"), &out)
		cure := h.ptrCure(netip.MustParseAddr("203.0.113.7"), mail.MustParseDomain("mx.example.com"))
		if len(out.Notes) != 1 || !strings.Contains(out.Notes[0].Text, h.Name) || !strings.Contains(cure, "mx.example.com") {
			t.Errorf("%s: %+v, %s", h.ID, out.Notes, cure)
		}
	}
}

// TestNamesWritesNothingUnasked: without a person nothing is known, and without a yes
// nothing is written.
func TestNamesWritesNothingUnasked(t *testing.T) {
	for _, tt := range []struct {
		answers []string
		want    string
	}{
		{nil, "somebody must read the mail"},
		{[]string{"", ""}, "somebody must read the mail"},
		{[]string{"mail.fresh.example", "anna"}, "the configuration was not written"},
	} {
		desk := &script{answers: tt.answers}
		s, err := New(Options{Domain: mail.MustParseDomain("fresh.example"), World: world.None(), House: emptyHouse{}, Desk: desk, Data: "data"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.nameAll(t.Context())
		if err != nil || !out.Stop || !strings.HasPrefix(out.Line, tt.want) {
			t.Errorf("%q: %+v, %v", tt.answers, out, err)
		}
		if text := strings.Join(desk.said, "\n"); len(tt.answers) > 0 && tt.answers[0] != "" && !strings.Contains(text, `admin     = "anna@fresh.example"`) {
			t.Errorf("what was to be written was not shown:\n%s", text)
		}
	}
}

func TestState(t *testing.T) {
	d := mail.MustParseDomain("example.com")
	data := filepath.Join(t.TempDir(), "data")
	s, err := ReadState(data, d)
	if err != nil {
		t.Fatal(err)
	}
	s.Stages = map[string]Done{"machine": {Status: finding.Yellow, Line: "so"}}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the state made the data folder: %v", err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := ReadState(data, d)
	if err != nil || again.Stages["machine"].Line != "so" || again.Stages["machine"].Status != finding.Yellow {
		t.Fatalf("%+v, %v", again, err)
	}
	before, err := os.Stat(StatePath(data, d))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Save(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(StatePath(data, d)); err != nil || !os.SameFile(before, after) {
		t.Errorf("written again although nothing has changed: %v", err)
	}
	if err := os.WriteFile(StatePath(data, d), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadState(data, d); err == nil || !strings.Contains(err.Error(), "example.com.json") {
		t.Errorf("a broken state: %v", err)
	}
}
