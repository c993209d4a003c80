package main

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// labPage is the site of our server in the lab. It listens on loopback only, and there
// is no login.
type labPage struct {
	world *world.World
	site  *pages.Site
}

// newLabPage is the site of a server in a world. It speaks to it as commands do, so that
// a reload changes nothing for it.
func newLabPage(w *world.World, h *home, known []pages.LabDomain) labPage {
	o := h.server.pageOptions(h.settings)
	o.Client = web.NewClient(&world.World{Network: world.Machine()}, filepath.Join(h.settings.Data, socketName))
	o.Domains = func() []mail.Domain { return h.settings.Domains }
	o.Open, o.Lab = true, known
	o.Check = check.Options{Battery: true} // every host of the lab is ours
	return labPage{w, pages.New(o)}
}

// open serves the page until the context ends and returns its address. Who opened
// it waits for done.
func (p labPage) open(ctx context.Context) (url string, done <-chan struct{}, err error) {
	l, err := p.listen(ctx)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: p.site.Handler(), ReadHeaderTimeout: 10 * time.Second}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		_ = server.Serve(l) // ends with the context
		p.site.Close()
	}()
	return "http://" + l.Addr().String() + "/", finished, nil
}

// listen takes the port that people remember, or a free one.
func (p labPage) listen(ctx context.Context) (net.Listener, error) {
	loopback := netip.MustParseAddr("127.0.0.1")
	l, err := p.world.Listen(ctx, netip.AddrPortFrom(loopback, 8025))
	if err == nil {
		return l, nil
	}
	return p.world.Listen(ctx, netip.AddrPortFrom(loopback, 0))
}
