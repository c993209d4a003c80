package main

import (
	"context"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/world"
	"net/netip"
)

func TestBenchLoadMeasuresASink(t *testing.T) {
	w := &world.World{Network: world.Machine()}
	l, err := w.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	sink := &bench.Sink{}
	go func() { ended <- sink.Serve(ctx, l) }()
	got := allgreen(t, "", "bench", "load", l.Addr().String(), "--count", "50", "--warm-up", "0s", "--connections", "3", "--json")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	reports := decode[benchReport](t, got.out)
	if got.code != 0 || len(reports) != 1 || reports[0].Accepted != 50 || sink.Taken.Load() != 50 {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
}

func TestBenchLoadSparesStrangers(t *testing.T) {
	for args, want := range map[string]string{
		"192.0.2.1:25":                           "not on this machine",
		"mx.example.com":                         "",
		"127.0.0.1:25 --from nonsense":           "",
		"127.0.0.1:25 --to nonsense":             "",
		"127.0.0.1:25 --source 300.1.1.1":        "",
		"127.0.0.1:25 --message /does/not/exist": "",
	} {
		got := allgreen(t, "", append([]string{"bench", "load"}, strings.Fields(args)...)...)
		if got.code != exitUsage && got.code != exitNoInput || !strings.Contains(got.err, want) || !strings.Contains(got.err, "hint:") {
			t.Errorf("%s: exit %d: %s", args, got.code, got.err)
		}
	}
}
