package config

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	read := func(document string) *Config {
		c, err := Parse("a.toml", "/etc/allgreen", []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := read(five)
	var lines []string
	changed := read(strings.Replace(five, "/var/lib", "/srv", 1) + `
[listen]
smtp = [":26"]
device = [":2525"]
[store]
postgresql = "postgres://u:hunter2@db/mail"
[receive]
strict = true
max_size = "1MB"
blocklists = []
[[device]]
name = "printer"
networks = ["192.168.1.20"]
from = ["example.com"]
`)
	for _, c := range Diff(old, changed) {
		lines = append(lines, c.String())
	}
	want := []string{
		`data: "/var/lib/allgreen" -> "/srv/allgreen" (restart)`,
		`listen.smtp: [":25"] -> [":26"] (rebind)`,
		`listen.device: [] -> [":2525"] (rebind)`,
		`store.postgresql: "" -> "(secret)" (restart)`,
		`receive.strict: false -> true (reload)`,
		`receive.blocklists: built in -> [] (reload)`,
		`receive.max_size: "50MB" -> "1MB" (reload)`,
		`device: [] -> [{name = "printer", networks = ["192.168.1.20/32"], from = ["example.com"], owner = "anna@example.com"}] (reload)`,
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	if again := Diff(changed, changed); len(again) != 0 {
		t.Errorf("no change is %v", again)
	}
}
