package config

import "time"

// Defaults is what a file that says nothing gets.
func Defaults() *Config {
	return &Config{
		Data: "/var/lib/allgreen",
		Listen: Listen{
			SMTP:        []Socket{{Port: 25}},
			Submission:  []Socket{{Port: 587}},
			Submissions: []Socket{{Port: 465}},
			IMAP:        []Socket{{Port: 143}},
			IMAPS:       []Socket{{Port: 993}},
			POP3:        []Socket{{Port: 110}},
			POP3S:       []Socket{{Port: 995}},
			ManageSieve: []Socket{{Port: 4190}},
			HTTP:        []Socket{{Port: 80}},
			HTTPS:       []Socket{{Port: 443}},
		},
		TLS:     TLS{ACME: ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory"}},
		DNS:     DNS{Algorithm: "hmac-sha256"},
		Receive: Receive{MaxSize: 50 * MB},
		Submit:  Submit{RecipientsPerHour: 200, RecipientsPerDay: 1000, Socket: "/run/allgreen/submit.sock"},
		Deliver: Deliver{Smarthost: Smarthost{Port: 587}},
		Backup:  Backup{Times: []string{"03:15"}, KeepDaily: 7, KeepWeekly: 4, KeepMonthly: 6},
		Watch:   Watch{Every: time.Hour, Smarthost: Smarthost{Port: 587}},
		Gate:    "hold",
		Log:     Log{Level: "info", Format: "text"},
	}
}
