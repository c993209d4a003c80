package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// Service is a service for mail programs, as the domain's SRV records name it
// (RFC 6186, RFC 8314).
type Service struct {
	Kind string // "submission", "submissions", "imap", "imaps", "pop3", "pop3s"
	Host mail.Domain
	Port uint16
}

// String is the service as reports name it.
func (v Service) String() string { return fmt.Sprintf("%s at %s:%d", v.Kind, v.Host, v.Port) }

// isImplicit reports whether TLS comes before the first word.
func (v Service) isImplicit() bool { return strings.HasSuffix(v.Kind, "s") }

// Services is what the SRV records of one family of services say.
type Services struct {
	Found []Service
	Err   error // why nobody knows
}

// maxServices bounds how many services of one family are visited.
const maxServices = 6

// Services are the services that the domain announces, of the kinds asked for.
func (s *Subject) Services(ctx context.Context, kinds ...string) Services {
	var known Services
	for _, kind := range kinds {
		name := world.NameOf(s.Domain()).Under("_" + kind + "._tcp")
		a, err := s.World.Lookup(ctx, name, dns.TypeSRV)
		if err != nil && !isAbsence(err) {
			known.Err = err
		}
		if err != nil {
			continue
		}
		for _, rr := range a.Records {
			srv, ok := rr.(*dns.SRV)
			if !ok || srv.Target == "." || len(known.Found) == maxServices {
				continue // "." says that the service is not offered (RFC 2782)
			}
			if host, err := mail.ParseDomain(srv.Target); err == nil {
				known.Found = append(known.Found, Service{kind, host, srv.Port})
			}
		}
	}
	return known
}

// ServiceVisit is what one conversation with a service told.
type ServiceVisit struct {
	Service
	IP         netip.Addr
	Unreached  error                // neither name nor connection
	Ended      error                // the conversation broke off
	ClearAuth  []string             // logins offered without TLS
	SecureAuth []string             // logins offered under TLS
	StartTLS   bool                 // offered in the clear
	State      *tls.ConnectionState // version and suite; nil without TLS
	Trust      error                // of the certificate, nil when it is valid for the host
}

// serviceKey tells services apart: many domains may share one, which is visited once
// for all of them.
type serviceKey struct {
	at   netip.AddrPort
	kind string
	host mail.Domain // by which TLS asks for the certificate
}

// VisitServices visits services side by side, each once per run.
func (s *Subject) VisitServices(ctx context.Context, services []Service) []*ServiceVisit {
	visits := make([]*ServiceVisit, len(services))
	var running sync.WaitGroup
	for i, service := range services {
		running.Go(func() {
			visits[i] = s.services.get(ctx, service, func(ctx context.Context) *ServiceVisit { return s.serviceVisit(ctx, service) })
		})
	}
	running.Wait()
	return visits
}

func (s *Subject) serviceVisit(ctx context.Context, service Service) *ServiceVisit {
	ips, err := world.LookupHost(ctx, s.World, service.Host)
	if err != nil {
		return &ServiceVisit{Service: service, Unreached: err}
	}
	at := netip.AddrPortFrom(ips[0], service.Port)
	return s.hosts.services.get(ctx, s.forRun(), serviceKey{at, service.Kind, service.Host}, func(ctx context.Context) *ServiceVisit {
		return s.visitService(ctx, service, at)
	})
}

func (s *Subject) visitService(ctx context.Context, service Service, at netip.AddrPort) *ServiceVisit {
	v := &ServiceVisit{Service: service, IP: at.Addr()}
	patient, cancel := context.WithTimeout(ctx, s.Options.patience())
	defer cancel()
	conn, err := s.Dial(patient, at)
	if err != nil {
		v.Unreached = s.Options.excuse(ctx, err)
		return v
	}
	defer conn.Close()
	// Reads of lines know no context: the connection ends for them.
	defer context.AfterFunc(patient, func() { _ = conn.SetDeadline(time.Unix(0, 0)) })()
	switch {
	case strings.HasPrefix(service.Kind, "submission"):
		v.Ended = v.speakSMTP(patient, s, conn)
	default:
		v.Ended = v.speakLines(patient, s, conn)
	}
	v.Ended = s.Options.excuse(ctx, v.Ended)
	if v.State != nil {
		v.Trust = s.trust(v.State.PeerCertificates, service.Host)
		v.State = &tls.ConnectionState{Version: v.State.Version, CipherSuite: v.State.CipherSuite} // without the certificates
	}
	return v
}

// trust verifies a chain as a mail program would.
func (s *Subject) trust(chain []*x509.Certificate, host mail.Domain) error {
	if len(chain) == 0 {
		return errors.New("no certificate was shown")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: host.String(), Roots: s.World.Roots, Intermediates: between, CurrentTime: s.World.Now(),
	})
	return err
}

// tlsConfig is for looking, not for trusting: what it lets through is judged later.
func (s *Subject) tlsConfig(host mail.Domain) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, ServerName: host.String(), Time: s.World.Now}
}

func (v *ServiceVisit) speakSMTP(ctx context.Context, s *Subject, conn net.Conn) error {
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: s.Options.helo(), Timeout: s.Options.patience()})
	defer c.Quit(ctx) //nolint:errcheck // a goodbye that fails harms nobody
	if v.isImplicit() {
		if err := c.Handshake(ctx, s.tlsConfig(v.Host)); err != nil {
			return err
		}
	}
	if banner, err := c.Greet(ctx); err != nil || !banner.IsPositive() {
		return errors.Join(err, refusal("the greeting", banner))
	}
	if _, err := c.Hello(ctx); err != nil {
		return err
	}
	if !v.isImplicit() {
		v.ClearAuth = c.Extensions().AuthMechanisms()
		v.StartTLS = c.Extensions().Has("STARTTLS")
		if !v.StartTLS {
			return nil
		}
		if reply, err := c.StartTLS(ctx, s.tlsConfig(v.Host)); err != nil || !reply.IsPositive() {
			return errors.Join(err, refusal("STARTTLS", reply))
		}
		if _, err := c.Hello(ctx); err != nil {
			return err
		}
	}
	v.SecureAuth = c.Extensions().AuthMechanisms()
	if state, ok := c.TLS(); ok {
		v.State = &state
	}
	return nil
}

// speakLines speaks as much IMAP (RFC 9051) or POP3 (RFC 1939, RFC 2449) as tells
// whether passwords are safe.
func (v *ServiceVisit) speakLines(ctx context.Context, s *Subject, conn net.Conn) error {
	p := imapLines
	if strings.HasPrefix(v.Kind, "pop3") {
		p = pop3Lines
	}
	if v.isImplicit() {
		return v.underTLS(ctx, s, conn, p, true)
	}
	r := bufio.NewReaderSize(conn, maxLine)
	if _, err := readLine(r); err != nil {
		return err
	}
	capabilities, err := p.ask(conn, r)
	if err != nil {
		return err
	}
	v.StartTLS = capabilities.have(p.startTLS)
	v.ClearAuth = p.logins(capabilities)
	if !v.StartTLS {
		return nil
	}
	if _, err := io.WriteString(conn, p.begin); err != nil {
		return err
	}
	line, err := readLine(r)
	if err != nil || !strings.Contains(line, "OK") {
		return errors.Join(err, fmt.Errorf("%s was refused: %.100q", p.startTLS, line))
	}
	return v.underTLS(ctx, s, conn, p, false)
}

func (v *ServiceVisit) underTLS(ctx context.Context, s *Subject, conn net.Conn, p lineProtocol, greets bool) error {
	channel := tls.Client(conn, s.tlsConfig(v.Host))
	if err := channel.HandshakeContext(ctx); err != nil {
		return err
	}
	state := channel.ConnectionState()
	v.State = &state
	r := bufio.NewReaderSize(channel, maxLine)
	if greets {
		if _, err := readLine(r); err != nil {
			return err
		}
	}
	capabilities, err := p.ask(channel, r)
	v.SecureAuth = p.logins(capabilities)
	return err
}

// lineProtocol is what differs between IMAP and POP3 here.
type lineProtocol struct {
	question string // asks for the capabilities
	begin    string // asks for TLS
	startTLS string // the capability
	ends     func(line string) bool
	logins   func(capabilities capabilities) []string
}

var imapLines = lineProtocol{
	question: "a1 CAPABILITY\r\n", begin: "a2 STARTTLS\r\n", startTLS: "STARTTLS",
	ends: func(line string) bool { return strings.HasPrefix(line, "a1 ") },
	logins: func(capabilities capabilities) []string {
		var logins []string
		for _, word := range slices.Concat(capabilities...) {
			if mechanism, ok := strings.CutPrefix(word, "AUTH="); ok {
				logins = append(logins, mechanism)
			}
		}
		if !capabilities.have("LOGINDISABLED") && len(capabilities) > 0 {
			logins = append(logins, "LOGIN command")
		}
		return logins
	},
}

var pop3Lines = lineProtocol{
	question: "CAPA\r\n", begin: "STLS\r\n", startTLS: "STLS",
	ends: func(line string) bool { return line == "." || strings.HasPrefix(line, "-ERR") },
	// One capability a line, the rest of it are its arguments (RFC 2449 section 3): "UTF8
	// USER" is not USER.
	logins: func(capabilities capabilities) []string {
		var logins []string
		for _, line := range capabilities {
			switch line[0] {
			case "USER":
				logins = append(logins, "USER command")
			case "SASL":
				logins = append(logins, line[1:]...)
			}
		}
		return logins
	},
}

// capabilities are the lines of an answer, in words.
type capabilities [][]string

// have reports whether a word stands anywhere.
func (c capabilities) have(word string) bool { return slices.Contains(slices.Concat(c...), word) }

// Bounds of what a service may say before it is believed to be none.
const (
	maxLine  = 8 << 10
	maxLines = 64
)

// ask asks for the capabilities and reads the answer, upper case.
func (p lineProtocol) ask(w io.Writer, r *bufio.Reader) (capabilities, error) {
	if _, err := io.WriteString(w, p.question); err != nil {
		return nil, err
	}
	var lines capabilities
	for range maxLines {
		line, err := readLine(r)
		if err != nil {
			return lines, err
		}
		if p.ends(line) {
			return lines, nil
		}
		if words := strings.Fields(strings.ToUpper(line)); len(words) > 0 {
			lines = append(lines, words)
		}
	}
	return lines, errors.New("the answer has no end")
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}
