package lab

import "github.com/allgreen-mail/allgreen/lab/host"

// relayHosts pass on what is not theirs, each by one trick.
func relayHosts() map[string]host.Character {
	tricks := map[string]host.Relay{
		"open-relay":        {All: true},
		"looks-open":        {All: true, Drops: true},
		"relay-null":        {NullSender: true},
		"relay-local":       {LocalSender: true},
		"relay-host":        {HostSender: true},
		"relay-literal":     {LiteralSender: true},
		"relay-localhost":   {LocalhostSender: true},
		"relay-bare":        {BareSender: true},
		"relay-postmaster":  {Postmaster: true},
		"relay-percent":     {Percent: true},
		"relay-bang":        {Bang: true},
		"relay-quoted":      {Quoted: true},
		"relay-route":       {SourceRoute: true},
		"relay-double-at":   {DoubleAt: true},
		"relay-dot":         {TrailingDot: true},
		"relay-subdomain":   {SubDomain: true},
		"relay-after-local": {AfterLocal: true},
		"relay-tls":         {OverTLS: true},
		"relay-helo":        {LocalHelo: true},
	}
	all := map[string]host.Character{
		"mx.free-submission.example": {SubmitsFreely: true},
	}
	for name, relay := range tricks {
		all["mx."+name+".example"] = host.Character{Relay: relay}
	}
	return all
}
