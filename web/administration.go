package web

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// The calls about the server itself.
var (
	Status = Call[None, ServerStatus]{"status"}
	Reload = Call[None, Reloaded]{"reload"}
)

// ServerStatus is how the server is.
type ServerStatus struct {
	Hostname  string    `json:"hostname"`
	Domains   []string  `json:"domains"`
	Started   time.Time `json:"started"`
	Listeners []Socket  `json:"listeners"`
	Readiness
}

// Socket is where the server listens.
type Socket struct {
	Service string `json:"service"`
	Address string `json:"address"`
}

// Reloaded says what another reading of the configuration changed.
type Reloaded struct {
	Changed []Change `json:"changed"`
}

// Change is one key of the configuration.
type Change struct {
	Key     string `json:"key"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Restart bool   `json:"restart,omitempty"` // it counts only when the process starts again
}

// NetworkCheck says what makes networks unfit to be trusted without a login.
type NetworkCheck func([]netip.Prefix) error

// Administration is what the calls work on.
type Administration struct {
	Store     *store.Store
	Accounts  *account.Directory
	Queue     *queue.Queue
	Now       func() time.Time
	Networks  NetworkCheck
	Status    func(context.Context) (ServerStatus, error)
	Reload    func(context.Context) (Reloaded, error)
	Records   func() []DomainRecords
	Compare   Comparer   // nil: nothing can be compared
	Keyring   Keyring    // nil: there is none
	Questions []Question // of /readyz
	Metrics   *Metrics
	Backups   *backup.Keeper // nil: these calls are not there
	Jobs      *Jobs
	Watch     Watch                                    // nil: nobody looks
	Checklist Checklist                                // nil: there is none
	Ladder    Ladder                                   // nil: there is none
	Login     func(context.Context) (LoginLink, error) // nil: there is nothing to log in to

	Tests *testaddress.Book // nil: these calls are not there
}

// Handler answers on the administration socket, for monitors as well.
func (a Administration) Handler() http.Handler {
	mux := http.NewServeMux()
	answer(mux, Status, func(ctx context.Context, _ None) (ServerStatus, error) { return a.Status(ctx) })
	answer(mux, Reload, func(ctx context.Context, _ None) (Reloaded, error) { return a.Reload(ctx) })
	addDNS(mux, a.Records, a.Compare)
	if a.Keyring != nil {
		addKeyring(mux, a.Keyring)
	}
	if a.Checklist != nil {
		addChecklist(mux, a.Checklist)
	}
	if a.Ladder != nil {
		addLadder(mux, a.Ladder)
	}
	p := people{a.Store, a.Accounts, a.Queue, a.Now}
	p.add(mux)
	p.addSenders(mux, a.Networks)
	p.addMail(mux)
	p.addSieve(mux)
	apiTokens{a.Store, a.Now}.add(mux)
	addQueue(mux, a.Queue)
	addLog(mux, a.Store)
	backups{a.Backups, a.Jobs}.add(mux)
	exhibits{a.Store, a.Now}.add(mux)
	if a.Tests != nil {
		tests{a.Tests}.add(mux)
	}
	stands{a.Store, a.Watch, a.Jobs}.add(mux)
	suppressions{a.Store, a.Now}.add(mux)
	addLogin(mux, a.Login)
	mux.Handle("/", Monitoring(a.Questions, a.Metrics))
	return mux
}

// Monitoring answers on the metrics port: health and figures, nothing else.
func Monitoring(questions []Question, m *Metrics) http.Handler {
	mux := http.NewServeMux()
	addHealth(mux, questions)
	mux.Handle("GET /metrics", m.Handler())
	return mux
}
