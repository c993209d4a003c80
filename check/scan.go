package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

// Scan is what a host offers as TLS behind STARTTLS, question by question.
type Scan struct {
	tlsprobe.Result
	WhyNot string // why nothing was asked
}

// scanPatience bounds how long we keep a host busy with hellos. One that takes
// seconds to greet is asked less, or nothing.
const (
	scanPatience   = 15 * time.Second
	scanQuestions  = 25
	fewestQuestion = 3
)

// Scan asks the host of a server which TLS it offers, once per run.
func (s *Subject) Scan(ctx context.Context, v Server) *Scan {
	visit := s.Visit(ctx, v.IP)
	return s.scans.get(ctx, v.IP, func(ctx context.Context) *Scan {
		return s.hosts.scans.get(ctx, s.forRun(), v.IP, func(ctx context.Context) *Scan { return s.scan(ctx, v, visit) })
	})
}

func (s *Subject) scan(ctx context.Context, v Server, visit *Visit) *Scan {
	opening := max(visit.Connecting+visit.Greeting, time.Millisecond)
	questions := min(scanQuestions, int(scanPatience/opening))
	if questions < fewestQuestion {
		return &Scan{WhyNot: fmt.Sprintf("%s takes %s to greet, too long to be asked again and again", v, round(opening))}
	}
	return &Scan{Result: tlsprobe.Scan(ctx, s.dialTLS(v.IP), tlsprobe.Options{
		ServerName: v.Name, Roots: s.World.Roots, Now: s.World.Now(), Depth: tlsprobe.Full, Connections: questions,
		Timeout: 2 * s.Options.patience(), // our other connections to the host may have to end first
	})}
}

// busyPauses are what a host gets that answers 421: it is busy with the ends of our
// last connections. Exim counts each for two seconds after TLS ended in an error, and
// takes twenty.
var busyPauses = []time.Duration{time.Second, 2 * time.Second}

// dialTLS opens connections on which STARTTLS was said.
func (s *Subject) dialTLS(ip netip.Addr) tlsprobe.DialFunc {
	return func(ctx context.Context) (net.Conn, error) {
		for _, pause := range busyPauses {
			conn, answer, err := s.beginTLS(ctx, ip)
			if err == nil || answer.Code != 421 || !wait(ctx, pause) {
				return conn, err
			}
		}
		conn, _, err := s.beginTLS(ctx, ip)
		return conn, err
	}
}

// wait reports whether the time went by before the context ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// beginTLS opens one connection and says STARTTLS; the reply is the last that came.
func (s *Subject) beginTLS(ctx context.Context, ip netip.Addr) (net.Conn, mail.Reply, error) {
	conn, err := s.Dial(ctx, netip.AddrPortFrom(ip, 25))
	if err != nil {
		return nil, mail.Reply{}, err
	}
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: s.Options.helo(), Timeout: s.Options.patience()})
	steps := []struct {
		name string
		take func(context.Context) (mail.Reply, error)
	}{{"the greeting", c.Greet}, {"EHLO", c.Hello}, {"STARTTLS", c.BeginTLS}}
	for _, step := range steps {
		answer, err := step.take(ctx)
		if err == nil {
			err = refusal(step.name, answer)
		}
		if err != nil {
			c.Close()
			return nil, answer, err
		}
	}
	return c.Hijack(), mail.Reply{}, nil
}

// scanned are the servers that are asked what they offer: of each host the first
// address at which TLS works, because its others are the same machine.
func (s *Subject) scanned(ctx context.Context) []Server {
	var chosen []Server
	done := map[string]bool{}
	for _, v := range s.Servers(ctx) {
		host := v.Name.String()
		if v.Name.IsZero() {
			host = v.IP.String()
		}
		if s.Visit(ctx, v.IP).StartTLS.State != nil && !done[host] {
			done[host] = true
			chosen = append(chosen, v)
		}
	}
	return chosen
}

// eachScan judges what each host offers.
func eachScan(judge func(v Server, r *tlsprobe.Result) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		var found []finding.Finding
		for _, v := range s.scanned(ctx) {
			scan := s.Scan(ctx, v)
			f := finding.Finding{Code: "no-answer", Summary: scan.WhyNot}
			if scan.WhyNot == "" {
				f = judge(v, &scan.Result)
			}
			if f.Code == "" {
				continue
			}
			f.Subject = v.String()
			found = append(found, f)
		}
		return found
	}
}

// unheard is the finding for a question of a scan that stayed without an answer.
func unheard(v Server, what, why string) finding.Finding {
	if why == "" {
		why = "it was not asked"
	}
	return finding.Finding{Code: "no-answer", Summary: fmt.Sprintf("%s: whether it %s could not be seen: %s", v, what, why),
		Evidence: []string{why}, Fix: "Run the check again later; the host may limit how often one may connect."}
}

// knownChains are the chains that a server showed: on the visit, and to the hellos of
// a scan, which sees one for each kind of key.
func (s *Subject) knownChains(ctx context.Context, v Server, visit *Visit) [][]*x509.Certificate {
	known := [][]*x509.Certificate{visit.StartTLS.State.PeerCertificates}
	for _, chain := range s.otherChains(ctx, v, visit) {
		var certs []*x509.Certificate
		for _, c := range chain.Certificates {
			certs = append(certs, c.Parsed)
		}
		known = append(known, certs)
	}
	return known
}

// otherChains are those that the scan saw and the visit did not.
func (s *Subject) otherChains(ctx context.Context, v Server, visit *Visit) []tlsprobe.Chain {
	var others []tlsprobe.Chain
	for _, w := range s.scanned(ctx) {
		if w.IP != v.IP {
			continue
		}
		for _, chain := range s.Scan(ctx, v).Chains {
			if len(chain.Certificates) > 0 && !chain.Certificates[0].Parsed.Equal(visit.StartTLS.State.PeerCertificates[0]) {
				others = append(others, chain)
			}
		}
	}
	return others
}
