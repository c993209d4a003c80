package lab

import (
	"crypto/tls"
	"time"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// politeHosts are well run, and do more than the zero character.
func politeHosts() map[string]host.Character {
	return map[string]host.Character{
		// It also takes mail for the domains that have no server of their own.
		"mx.green.example": {Domains: []string{"nameserver.example", "hostile.example"}},
	}
}

// rudeHosts harm others: senders, or those whose name is misused.
func rudeHosts() map[string]host.Character {
	return map[string]host.Character{
		"mx.backscatter.example": {UnknownUsers: host.Bounced},
		"mx.accepts-all.example": {UnknownUsers: host.Accepted},
		"mx.callout.example":     {Calls: true},
		"mx.challenge.example":   {Writes: host.WritesChallenges},
		"mx.vacation.example":    {Writes: host.WritesVacations},
		"mx.greylist.example":    {Greylists: true},
		"mx.no-null.example":     {RefusesNull: true},
		"mx.no-roles.example":    {NoMailboxes: []string{"postmaster", "abuse", "security"}},
		"mx.auth-clear.example":  {AuthInClear: true},
		"mx.smuggling.example":   {BareLF: host.BareLFEndsData},
		"mx.discloses.example":   {Replies: disclosure("discloses.example")},
	}
}

func disclosure(domain string) map[string]string {
	return map[string]string{
		"VRFY": "250 2.1.5 Alice <alice@" + domain + ">",
		"EXPN": "250-2.1.5 Alice <alice@" + domain + ">\n250 2.1.5 Bob <bob@" + domain + ">",
	}
}

// strangeHosts do not converse as a client may expect.
func strangeHosts() map[string]host.Character {
	return map[string]host.Character{
		"mx.slow.example":          {GreetingDelay: 8 * time.Second},
		"mx.drip.example":          {Drip: time.Minute},
		"mx.endless.example":       {Endless: host.OneLine},
		"mx.endless-lines.example": {Endless: host.ManyLines},
		"mx.drops-data.example":    {Data: host.HangsUpIn},
		"mx.wrong-helo.example":    {SaysName: "mail.wrong-name.example"},
		"mx.localhost.example":     {SaysName: "localhost"},
		"mx.busy.example":          {Greeting: "421 4.3.2 {name} is busy, try later"},
		"mx.rejects.example":       {Greeting: "554 5.7.1 {name} does not talk to you"},
		"mx.multiline.example": {Replies: map[string]string{
			"EHLO": "250-{name}\n250 PIPELINING\n220-SIZE 52428800\n250-STARTTLS\n599\nhello\n250 8BITMIME",
		}},
	}
}

// worstHosts do everything wrong at once.
func worstHosts() map[string]host.Character {
	return map[string]host.Character{
		"mx.red.example": {
			SaysName:     "localhost",
			RefusesNull:  true,
			NoMailboxes:  []string{"postmaster", "abuse", "security", "admin", "hostmaster"},
			UnknownUsers: host.Bounced,
			AuthInClear:  true,
			BareLF:       host.BareLFEndsData,
			Calls:        true,
			Replies:      disclosure("red.example"),
			Relay: host.Relay{
				All: true, Percent: true, Bang: true, Quoted: true, SourceRoute: true, DoubleAt: true,
			},
			TLS: host.TLS{
				Injectable: true, Certificate: ca.Expired,
				Min: tls.VersionTLS10, Max: tls.VersionTLS11,
				Suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
			},
		},
	}
}
