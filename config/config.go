package config

import (
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// DefaultPath is where the file lies unless somebody says otherwise.
const DefaultPath = "/etc/allgreen/allgreen.toml"

// Config is the whole file. The tags name the keys; "path" is resolved against the
// file's folder, "restart" and "rebind" are what a change needs (see Diff), "builtin" is
// a list whose absence is not the empty list.
type Config struct {
	Hostname     mail.Domain   `toml:"hostname"`
	Domains      []mail.Domain `toml:"domains"`
	Admin        mail.Address  `toml:"admin"`
	AdminOutside bool          `toml:"admin_outside"`
	Gate         string        `toml:"gate"` // hold, warn, off
	Data         string        `toml:"data,path,restart"`
	Addresses    []netip.Addr  `toml:"addresses"`
	Named        []Address     `toml:"address"`
	Names        Names         `toml:"names"`
	Listen       Listen        `toml:"listen,rebind"`
	TLS          TLS           `toml:"tls"`
	DNS          DNS           `toml:"dns,restart"`
	Edge         Edge          `toml:"edge"`
	Store        Store         `toml:"store,restart"`
	Receive      Receive       `toml:"receive"`
	Submit       Submit        `toml:"submit"`
	Devices      []Device      `toml:"device"`
	Deliver      Deliver       `toml:"deliver"`
	Backup       Backup        `toml:"backup"`
	Watch        Watch         `toml:"watch"`
	Web          Web           `toml:"web"`
	Log          Log           `toml:"log"`
}

// Address is an address that mail leaves from, and the name it has there.
type Address struct {
	IP   netip.Addr  `toml:"ip"`
	Name mail.Domain `toml:"name"` // zero: the host name
}

// Names are the names of services that are not to share the host name.
type Names struct {
	Submission mail.Domain `toml:"submission"`
	IMAP       mail.Domain `toml:"imap"`
	POP3       mail.Domain `toml:"pop3"`
	Web        mail.Domain `toml:"web"`
}

// Listen says where to listen. An empty list switches a service off.
type Listen struct {
	SMTP        []Socket       `toml:"smtp"`
	Submission  []Socket       `toml:"submission"`
	Submissions []Socket       `toml:"submissions"`
	IMAP        []Socket       `toml:"imap"`
	IMAPS       []Socket       `toml:"imaps"`
	POP3        []Socket       `toml:"pop3"`
	POP3S       []Socket       `toml:"pop3s"`
	ManageSieve []Socket       `toml:"managesieve"`
	HTTP        []Socket       `toml:"http"`
	HTTPS       []Socket       `toml:"https"`
	LMTP        []Socket       `toml:"lmtp"`
	Metrics     []Socket       `toml:"metrics"`
	Device      []Socket       `toml:"device"`
	ProxyFrom   []netip.Prefix `toml:"proxy_from"`
}

// TLS says where certificates come from. The zero value is ACME.
type TLS struct {
	Certificate string `toml:"certificate,path"`
	Key         string `toml:"key,path"`
	Also        []Pair `toml:"also"`
	ACME        ACME   `toml:"acme"`
	SelfSigned  bool   `toml:"self_signed"`
}

// Pair is a certificate and its key.
type Pair struct {
	Certificate string `toml:"certificate,path"`
	Key         string `toml:"key,path"`
}

// ACME is the authority that is asked for certificates (RFC 8555).
type ACME struct {
	Email     mail.Address `toml:"email"` // zero: the admin
	Directory string       `toml:"directory"`
	DNS       bool         `toml:"dns"` // proves by DNS-01, through the provider of [dns]
}

// CertificateSource is where certificates come from. The zero value is ACME.
type CertificateSource int

// The three sources.
const (
	FromACME CertificateSource = iota
	FromFiles
	FromSelf
)

// Source is the source that the file chooses.
func (t TLS) Source() CertificateSource {
	switch {
	case t.Certificate != "":
		return FromFiles
	case t.SelfSigned:
		return FromSelf
	}
	return FromACME
}

// Pairs are all certificates from files.
func (t TLS) Pairs() []Pair {
	if t.Certificate == "" {
		return nil
	}
	return append([]Pair{{t.Certificate, t.Key}}, t.Also...)
}

// DNS says whom to ask for names, and who publishes ours. Empty lists leave it to the
// system; without a provider nothing is published.
type DNS struct {
	Resolvers []netip.AddrPort `toml:"resolvers"`
	Trusted   []netip.AddrPort `toml:"trusted"`
	Provider  string           `toml:"provider"`  // one of Providers
	Server    netip.AddrPort   `toml:"server"`    // rfc2136: not valid: the primary of each zone
	Key       string           `toml:"key"`       // rfc2136: name of the TSIG key; porkbun: the API key
	Algorithm string           `toml:"algorithm"` // rfc2136: of the key
	Secret    Secret           `toml:"secret"`    // of the key; else the API token
}

// Providers are those who can publish DNS records for us.
func Providers() []string {
	return []string{"rfc2136", "cloudflare", "desec", "gandi", "hetzner", "porkbun"}
}

// Edge says whom to ask, once a day, at which address they see this server. An empty
// list asks nobody.
type Edge struct {
	Greet []mail.Domain `toml:"greet,builtin"` // nil: the choice built in
	STUN  []string      `toml:"stun,builtin"`  // "host" or "host:port"; nil: the choice built in
}

// Store says where mail is kept, if not in the data folder.
type Store struct {
	PostgreSQL Secret `toml:"postgresql"`
	S3         S3     `toml:"s3"`
}

// S3 is a bucket for large bodies; without an endpoint there is none.
type S3 struct {
	Endpoint  string `toml:"endpoint"`
	Bucket    string `toml:"bucket"`
	Region    string `toml:"region"`
	Prefix    string `toml:"prefix"`
	AccessKey string `toml:"access_key"`
	SecretKey Secret `toml:"secret_key"`
	Plaintext bool   `toml:"plaintext"`
}

// Receive says what is asked of mail that comes in.
type Receive struct {
	Strict     bool          `toml:"strict"`
	Greylist   bool          `toml:"greylist"`
	Blocklists []mail.Domain `toml:"blocklists,builtin"` // nil: the choice built in
	DQSKey     Secret        `toml:"dqs_key"`
	LMTP       Socket        `toml:"lmtp"`
	MaxSize    Size          `toml:"max_size"`
	Help       string        `toml:"help"`
}

// Submit bounds what one login may send, and says where programs of this machine do.
type Submit struct {
	RecipientsPerHour int    `toml:"recipients_per_hour"`
	RecipientsPerDay  int    `toml:"recipients_per_day"`
	Socket            string `toml:"socket,path,rebind"` // of send and sendmail; empty: there is none
}

// Device is a printer, camera or program that sends without a login.
type Device struct {
	Name              string         `toml:"name"`
	Networks          []netip.Prefix `toml:"networks"`
	From              []string       `toml:"from"`  // addresses, or whole domains
	Owner             mail.Address   `toml:"owner"` // zero: the admin
	RecipientsPerHour int            `toml:"recipients_per_hour"`
	RecipientsPerDay  int            `toml:"recipients_per_day"`
	LocalOnly         bool           `toml:"local_only"`
}

// Deliver says how mail leaves.
type Deliver struct {
	Smarthost Smarthost `toml:"smarthost"`
}

// Smarthost is the server that takes all mail to strangers; without a host there is
// none, and mail goes to its recipients' own servers.
type Smarthost struct {
	Host     string `toml:"host"` // a name or an address
	Port     uint16 `toml:"port"`
	User     string `toml:"user"`
	Password Secret `toml:"password"`
}

// Backup says where copies of everything go, when, and which stay. Without a place there
// are none.
type Backup struct {
	To          string   `toml:"to,path"` // a folder
	S3          S3       `toml:"s3"`      // or a bucket
	Key         Secret   `toml:"key"`     // of age; empty: the server makes and keeps one
	Times       []string `toml:"times"`   // of the day, UTC: "03:15"
	KeepDaily   int      `toml:"keep_daily"`
	KeepWeekly  int      `toml:"keep_weekly"`
	KeepMonthly int      `toml:"keep_monthly"`
}

// IsOn reports whether there is a place for backups.
func (b Backup) IsOn() bool { return b.To != "" || b.S3.Endpoint != "" }

// Web says who may see more than the public pages.
type Web struct {
	Public    bool       `toml:"public"`     // strangers may check and test
	CheckFrom netip.Addr `toml:"check_from"` // checks of strangers knock from here; not valid: they do not knock
	Operator  string     `toml:"operator"`   // who runs this, for the front page: lines
}

// Watch says how the server looks at itself, and whom it tells besides the admin. The
// addresses of the web are secrets: who knows them may use them.
type Watch struct {
	Every     time.Duration  `toml:"every"`
	MailTo    []mail.Address `toml:"mail_to"`
	Webhook   Secret         `toml:"webhook"`
	Heartbeat Secret         `toml:"heartbeat"`
	Smarthost Smarthost      `toml:"smarthost"` // for mail_to; without a host: the recipients' own servers
}

// Log says what is written to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn, error
	Format string `toml:"format"` // text, json
}

// Egress is every address that mail leaves from, each with its name.
func (c *Config) Egress() []Address {
	var all []Address
	for _, ip := range c.Addresses {
		all = append(all, Address{IP: ip, Name: c.Hostname})
	}
	for _, a := range c.Named {
		if a.Name.IsZero() {
			a.Name = c.Hostname
		}
		all = append(all, a)
	}
	return all
}
