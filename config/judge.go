package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// judge notes what each value alone cannot show. When some values could not be
// read, only what was written is judged, so that no complaint follows from another.
func judge(c *Config, b *binder, partial bool) {
	j := &judgement{c, b}
	if !partial {
		j.needed()
	}
	j.names()
	j.addresses()
	j.pages()
	j.listeners()
	j.certificates()
	j.devices(partial)
	j.publisher()
	j.places()
}

type judgement struct {
	*Config
	b *binder
}

// needed are the keys that have no default. They are noted at the top of the file.
func (j *judgement) needed() {
	if j.Hostname.IsZero() {
		j.b.note("", `hostname is missing; write the name that the PTR record of this server has: hostname = "mx.example.com"`)
	}
	if len(j.Domains) == 0 {
		j.b.note("domains", `domains is missing; write the domains that have their mail here: domains = ["example.com"]`)
	}
	if j.Admin.IsZero() {
		j.b.note("", `admin is missing; write who gets the mail for postmaster, abuse and the alerts: admin = "anna@example.com"`)
	}
	if j.Data == "" {
		j.b.note("data", "data is empty; write the folder that holds the mail")
	}
}

func (j *judgement) names() {
	if !j.Hostname.IsZero() && j.Hostname.Labels() < 2 {
		j.b.note("hostname", "hostname %q is not fully qualified; receivers refuse it (RFC 5321 section 2.3.5): write it with its domain", j.Hostname)
	}
	for i, d := range j.Domains {
		if slices.Contains(j.Domains[:i], d) {
			j.b.note(element("domains", i), "%s stands here twice", d)
		}
	}
	if j.Admin.IsZero() || len(j.Domains) == 0 {
		return
	}
	if j.Admin.Domain.IsZero() || !slices.Contains(j.Domains, j.Admin.Domain) && !j.AdminOutside {
		j.b.note("admin", "admin %s is not in domains; alerts about this server would travel to another: name an address here, or set admin_outside = true", j.Admin)
	}
}

func (j *judgement) addresses() {
	seen := map[netip.Addr]bool{}
	check := func(path string, ip netip.Addr) {
		switch {
		case !ip.IsValid():
			return
		case ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
			j.b.note(path, "mail cannot leave from %s; write the address that other servers see", ip)
		case seen[ip]:
			j.b.note(path, "%s stands here twice", ip)
		}
		seen[ip] = true
	}
	for i, ip := range j.Addresses {
		check(element("addresses", i), ip)
	}
	for i, a := range j.Named {
		check(element("address", i)+".ip", a.IP)
		if !a.Name.IsZero() && a.Name.Labels() < 2 {
			j.b.note(element("address", i)+".name", "name %q is not fully qualified; write it with its domain", a.Name)
		}
	}
}

// pages refuses to knock at strangers from an address that sends mail: what that one is
// seen doing is what receivers think of it.
func (j *judgement) pages() {
	for _, a := range j.Egress() {
		if ip := j.Web.CheckFrom; ip.IsValid() && ip.Unmap() == a.IP.Unmap() {
			j.b.note("web.check_from", "check_from %s sends mail; name another address of this machine, or leave it out", ip)
		}
	}
}

// listeners refuses doors that nobody should find open, and one door for two.
func (j *judgement) listeners() {
	for i, s := range j.Listen.Metrics {
		if !s.IsZero() && !s.IsPrivate() {
			j.b.note(element("listen.metrics", i), "metrics on %s would be for everybody; listen on 127.0.0.1, ::1, a private address or unix:", s)
		}
	}
	for i, s := range j.Listen.LMTP {
		if !s.IsZero() && !s.IsPrivate() {
			// RFC 2033 section 5: LMTP has no queue and no defence of its own.
			j.b.note(element("listen.lmtp", i), "LMTP on %s would take mail past every check of port 25; listen on 127.0.0.1, a private address or unix:", s)
		}
	}
	for i, p := range j.Listen.ProxyFrom {
		if p.IsValid() && p.Bits() == 0 {
			j.b.note(element("listen.proxy_from", i), "%s lets every client say which address it comes from; name the proxies", p)
		}
	}
	j.collisions()
}

// collisions are two services on one socket.
func (j *judgement) collisions() {
	type door struct {
		path   string
		socket Socket
	}
	var doors []door
	l := &j.Listen
	for _, service := range []struct {
		key     string
		sockets []Socket
	}{
		{"smtp", l.SMTP}, {"submission", l.Submission}, {"submissions", l.Submissions}, {"imap", l.IMAP}, {"imaps", l.IMAPS},
		{"pop3", l.POP3}, {"pop3s", l.POP3S}, {"managesieve", l.ManageSieve}, {"http", l.HTTP},
		{"https", l.HTTPS}, {"lmtp", l.LMTP}, {"metrics", l.Metrics}, {"device", l.Device},
	} {
		for i, s := range service.sockets {
			path := element("listen."+service.key, i)
			for _, other := range doors {
				if !s.IsZero() && overlap(s, other.socket) {
					j.b.note(path, "%s is also %s; give each a socket of its own", s, other.path)
				}
			}
			doors = append(doors, door{path, s})
		}
	}
}

func overlap(a, b Socket) bool {
	if a.Path != "" || b.Path != "" {
		return a.Path == b.Path
	}
	wild := func(s Socket) bool { return !s.IP.IsValid() || s.IP.IsUnspecified() }
	return a.Port == b.Port && (wild(a) || wild(b) || a.IP == b.IP)
}

func (j *judgement) certificates() {
	t := j.TLS
	wantsACME := t.ACME.DNS || !t.ACME.Email.IsZero() || t.ACME.Directory != Defaults().TLS.ACME.Directory
	switch {
	case t.Certificate != "" && wantsACME:
		j.b.note("tls.acme", "acme and certificate contradict each other; keep one of them")
	case t.SelfSigned && wantsACME:
		j.b.note("tls.acme", "acme and self_signed contradict each other; keep one of them")
	case t.SelfSigned && t.Certificate != "":
		j.b.note("tls.self_signed", "self_signed and certificate contradict each other; keep one of them")
	}
	if (t.Certificate == "") != (t.Key == "") {
		j.b.note("tls", "certificate and key belong together; write both")
	}
	if len(t.Also) > 0 && t.Certificate == "" {
		j.b.note("tls.also", "also adds to certificate and key; write those first")
	}
	for i, p := range t.Also {
		if p.Certificate == "" || p.Key == "" {
			j.b.note(element("tls.also", i), "certificate and key belong together; write both")
		}
	}
	if u, err := url.Parse(t.ACME.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		j.b.note("tls.acme.directory", "directory wants an https address") // RFC 8555 section 6.1
	}
}

// publisher is who publishes DNS records.
func (j *judgement) publisher() {
	d := j.DNS
	if j.TLS.ACME.DNS && d.Provider == "" {
		j.b.note("tls.acme.dns", `dns proves through the provider of [dns]; write there who it is: provider = "rfc2136"`)
	}
	if d.Provider == "" {
		if d.Secret != "" || d.Key != "" || d.Server.IsValid() {
			j.b.note("dns", "provider is missing; it is one of %s", strings.Join(Providers(), ", "))
		}
		return
	}
	j.word("dns.provider", d.Provider, Providers()...)
	switch d.Provider {
	case "rfc2136":
		j.word("dns.algorithm", d.Algorithm, "hmac-sha256", "hmac-sha384", "hmac-sha512")
		if (d.Key == "") != (d.Secret == "") {
			j.b.note("dns", "key and secret of TSIG belong together; write both")
		}
	case "porkbun":
		if d.Key == "" || d.Secret == "" {
			j.b.note("dns", "porkbun wants key, its API key, and secret")
		}
	default:
		if d.Secret == "" {
			j.b.note("dns", "%s wants its API token as secret, or secret_file", clip(d.Provider))
		}
	}
}

func (j *judgement) devices(partial bool) {
	names := map[string]bool{}
	for i, d := range j.Devices {
		path := element("device", i)
		if !partial {
			j.wholeDevice(path, d)
		}
		if d.Name != "" && names[d.Name] {
			j.b.note(path+".name", "two devices are called %q; the log could not tell them apart", clip(d.Name))
		}
		names[d.Name] = true
		for k, p := range d.Networks {
			j.network(element(path+".networks", k), p)
		}
		for k, from := range d.From {
			j.sender(element(path+".from", k), from)
		}
		if !d.Owner.IsZero() && !slices.Contains(j.Domains, d.Owner.Domain) && len(j.Domains) > 0 {
			j.b.note(path+".owner", "owner %s has no mailbox here; failures of the device go into the owner's", d.Owner)
		}
	}
	if partial {
		return
	}
	if len(j.Devices) > 0 && len(j.Listen.Device) == 0 {
		j.b.note("device", `devices are named, and there is no socket for them; add device = [":2525"] to [listen]`)
	}
}

func (j *judgement) wholeDevice(path string, d Device) {
	if d.Name == "" {
		j.b.note(path, "a device needs a name for the log")
	}
	if len(d.Networks) == 0 {
		j.b.note(path, `a device needs networks, else anybody could be it: networks = ["192.168.1.20"]`)
	}
	if len(d.From) == 0 {
		j.b.note(path, `a device needs from, the addresses or domains it may write as: from = ["printer@example.com"]`)
	}
}

// network refuses a trusted network that holds strangers.
func (j *judgement) network(path string, p netip.Prefix) {
	if !p.IsValid() {
		return
	}
	widest, inside := 24, p.Addr().IsPrivate() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast()
	if p.Addr().Is6() {
		widest = 64
	}
	if p.Bits() < widest && !(inside && p.Bits() >= 7) {
		// 10.0.0.0/8, 127.0.0.0/8 and fc00::/7 are the widest that are private.
		j.b.note(path, "%s holds strangers; a public network may be a /24 at most (IPv6: /64): name the devices' own addresses", p)
	}
	for _, proxy := range j.Listen.ProxyFrom {
		if proxy.IsValid() && proxy.Overlaps(p) {
			j.b.note(path, "%s holds the proxy %s, and through it every stranger; leave the proxy out", p, proxy)
		}
	}
}

// sender is an address or a whole domain of ours.
func (j *judgement) sender(path, from string) {
	d, err := mail.ParseDomain(from)
	if strings.Contains(from, "@") {
		var a mail.Address
		a, err = mail.ParseAddress(from)
		d = a.Domain
	}
	if err != nil || d.IsZero() {
		j.b.note(path, "%q is neither an address nor a domain", clip(from))
	} else if len(j.Domains) > 0 && !slices.Contains(j.Domains, d) {
		j.b.note(path, "%s is not in domains; nothing here may sign for it", d)
	}
}

// places are stores, hosts and words.
func (j *judgement) places() {
	for i, s := range j.Edge.STUN {
		if !isHostPort(s) {
			j.b.note(element("edge.stun", i), `%q is no server; write "stun.example.net" or "stun.example.net:3478"`, clip(s))
		}
	}
	if pg := string(j.Store.PostgreSQL); pg != "" && !strings.HasPrefix(pg, "postgres://") &&
		!strings.HasPrefix(pg, "postgresql://") && !strings.Contains(pg, "=") {
		j.b.note("store.postgresql", `postgresql wants "postgres://user@host/database"`)
	}
	if s3 := j.Store.S3; (s3 != S3{}) && (s3.Endpoint == "" || s3.Bucket == "") {
		j.b.note("store.s3", "s3 needs endpoint and bucket")
	}
	j.smarthost("deliver.smarthost", j.Deliver.Smarthost)
	j.watch()
	if j.Receive.MaxSize < 64*KB {
		// RFC 5321 section 4.5.3.1.7: every server takes 64K octets.
		j.b.note("receive.max_size", "max_size %s is less than the 64KB every server must take", j.Receive.MaxSize)
	}
	if h := j.Receive.Help; h != "" && !isHelp(h) {
		j.b.note("receive.help", "help wants an https address, or a mail address, without spaces")
	}
	j.backups()
	j.word("gate", j.Gate, "hold", "warn", "off")
	j.word("log.level", j.Log.Level, "debug", "info", "warn", "error")
	j.word("log.format", j.Log.Format, "text", "json")
	j.positive()
}

func (j *judgement) smarthost(path string, sm Smarthost) {
	if sm.Host == "" && (sm.User != "" || sm.Password != "") {
		j.b.note(path, "a smarthost needs a host")
	} else if (sm.User == "") != (sm.Password == "") {
		j.b.note(path, "user and password belong together; write both")
	} else if sm.Port == 0 {
		j.b.note(path+".port", "port 0 is none; 587 is usual")
	} else if _, err := mail.ParseDomain(sm.Host); sm.Host != "" && err != nil {
		j.b.note(path+".host", "%q is no host name; its certificate is looked at, and that is for a name", clip(sm.Host))
	}
}

// soonest is how often name servers and blocklists bear to be asked for ever.
const soonest = 10 * time.Minute

// watch is how the server looks at itself.
func (j *judgement) watch() {
	w := j.Watch
	j.smarthost("watch.smarthost", w.Smarthost)
	if w.Every < soonest {
		j.b.note("watch.every", "every %s is too often for those who are asked; write %s or more", w.Every, soonest)
	}
	if w.Smarthost.Host != "" && len(w.MailTo) == 0 {
		j.b.note("watch.smarthost", "the smarthost takes the alerts for mail_to; write there who gets them")
	}
	for i, to := range w.MailTo {
		if slices.Contains(j.Domains, to.Domain) {
			j.b.note(element("watch.mail_to", i), "%s has its mailbox here, and would not hear of a trouble with this server; name one elsewhere", to)
		}
	}
	j.webAddress("webhook", string(w.Webhook))
	j.webAddress("heartbeat", string(w.Heartbeat))
}

// webAddress says nothing of what it is, for that is a secret.
func (j *judgement) webAddress(key, text string) {
	if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		j.b.note("watch."+key, "%s wants an address of the web, as https://example.net/hook", key)
	}
}

// backups have one place, which is not the data itself.
func (j *judgement) backups() {
	b := j.Backup
	s3 := b.S3
	if (s3 != S3{}) && (s3.Endpoint == "" || s3.Bucket == "") {
		j.b.note("backup.s3", "s3 needs endpoint and bucket")
	}
	if b.To != "" && s3.Endpoint != "" {
		j.b.note("backup.to", "to and s3 contradict each other; keep one of them")
	}
	if b.To != "" && j.Data != "" && (b.To == j.Data || strings.HasPrefix(b.To, strings.TrimSuffix(j.Data, "/")+"/")) {
		j.b.note("backup.to", "a backup inside of data is lost together with it; name another disk")
	}
	for i, text := range b.Times {
		if _, err := time.Parse("15:04", text); err != nil {
			j.b.note(element("backup.times", i), "%q is no time of the day; write it as \"03:15\", in UTC", clip(text))
		}
	}
	if key := string(b.Key); key != "" && !strings.Contains(key, "AGE-SECRET-KEY-1") {
		j.b.note("backup.key", "key wants a key of age, which begins with AGE-SECRET-KEY-1; leave it out, and the server makes one")
	}
}

// positive are the limits of which zero would stop all mail.
func (j *judgement) positive() {
	if j.Submit.RecipientsPerHour == 0 || j.Submit.RecipientsPerDay == 0 {
		j.b.note("submit", "a limit of 0 recipients stops all mail; leave the key out for the default")
	}
	if j.Submit.RecipientsPerDay < j.Submit.RecipientsPerHour {
		j.b.note("submit.recipients_per_day", "fewer recipients per day (%d) than per hour (%d); raise the one or lower the other", j.Submit.RecipientsPerDay, j.Submit.RecipientsPerHour)
	}
}

func isHostPort(s string) bool {
	host, port, found := strings.Cut(s, ":")
	n, badPort := strconv.ParseUint(port, 10, 16)
	_, badHost := mail.ParseDomain(host)
	return badHost == nil && (!found || badPort == nil && n > 0)
}

func isHelp(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	if u, err := url.Parse(s); err == nil && u.Scheme == "https" && u.Host != "" {
		return true
	}
	_, err := mail.ParseAddress(s)
	return err == nil
}

func (j *judgement) word(path, got string, want ...string) {
	if !slices.Contains(want, got) {
		j.b.note(path, "%q is none of %s", clip(got), strings.Join(want, ", "))
	}
}
