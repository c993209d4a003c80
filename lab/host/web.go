package host

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

// Web is one web server: the sites at one address.
type Web struct {
	Addr  netip.Addr
	Sites []Site
}

// Site is one name on a web server.
type Site struct {
	Name        string
	Certificate ca.Quality
	Pages       map[string]Page // by path, or by "POST /path"
}

// Page is what stands at one path. The zero Status is 200, the zero Type plain
// text.
type Page struct {
	Status   int
	Type     string
	Location string // of a redirect
	Body     string
	Endless  bool // the body never ends
}

// Serve answers on listeners until the context ends; the keys are 80 and 443. Port
// 80 redirects to https.
func (w *Web) Serve(ctx context.Context, town *Town, listeners map[uint16]net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	for port, l := range listeners {
		srv := &http.Server{
			Handler:           w,
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          log.New(io.Discard, "", 0), // aborted handshakes are what clients come for
		}
		if port == 443 {
			l = tls.NewListener(l, w.tlsConfig(town.CA))
		} else {
			srv.Handler = http.HandlerFunc(toHTTPS)
		}
		var conns sync.WaitGroup
		srv.ConnState = func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed:
				conns.Done()
			}
		}
		release := lifetime.Close(ctx, srv)
		all.Go(func() {
			defer conns.Wait()
			defer release()
			srv.Serve(l)
		})
	}
}

func toHTTPS(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
}

func (w *Web) tlsConfig(authority *ca.CA) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			site := w.site(hello.ServerName)
			if site == nil {
				site = &w.Sites[0]
			}
			return authority.Certificate(site.Certificate, site.Name)
		},
	}
}

func (w *Web) site(name string) *Site {
	for i := range w.Sites {
		if w.Sites[i].Name == strings.ToLower(name) {
			return &w.Sites[i]
		}
	}
	return nil
}

// ServeHTTP gives out a page.
func (w *Web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	site := w.site(host)
	if site == nil {
		http.Error(out, "no such site", http.StatusMisdirectedRequest)
		return
	}
	key := r.URL.Path
	if r.Method == http.MethodPost {
		key = "POST " + key
	}
	page, ok := site.Pages[key]
	if !ok {
		http.NotFound(out, r)
		return
	}
	page.write(out)
}

func (p Page) write(out http.ResponseWriter) {
	if p.Type == "" {
		p.Type = "text/plain; charset=utf-8"
	}
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	out.Header().Set("Content-Type", p.Type)
	if p.Location != "" {
		out.Header().Set("Location", p.Location)
	}
	out.WriteHeader(p.Status)
	io.WriteString(out, p.Body)
	for p.Endless {
		if _, err := io.WriteString(out, strings.Repeat("and so on ", 400)); err != nil {
			return
		}
	}
}
