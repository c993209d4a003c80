package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/web"
)

// backupsPage is what there is of backups, and what is being done about them.
type backupsPage struct {
	Snapshots []backup.Listed
	Trouble   *web.Error // why there is nothing to list
	Job       *jobView
	What      string // it does
}

// Again has a browser look again while something is under way.
func (b backupsPage) Again() string {
	if b.Job == nil || b.Job.Ended {
		return ""
	}
	return b.Job.Link
}

// backupActs are what can be begun, with the words that tell of it.
var backupActs = map[string]struct {
	call web.Call[web.None, web.JobName]
	what string
}{
	"now":    {web.BackupNow, "Making a backup"},
	"verify": {web.BackupVerify, "Reading the whole backup back"},
	"prune":  {web.BackupPrune, "Removing what is too old"},
}

// backups lists the snapshots, and how far work on them is.
func (s *Site) backups(w http.ResponseWriter, r *http.Request) {
	page := backupsPage{What: backupActs[r.FormValue("act")].what}
	var err error
	if page.Job, err = s.jobOf(r, "/backups"); err != nil {
		s.fail(w, r, err)
		return
	}
	if page.Job != nil {
		page.Job.Link += "&act=" + url.QueryEscape(r.FormValue("act"))
	}
	page.Snapshots, err = web.BackupList.Do(r.Context(), s.o.Client, web.BackupQuery{})
	if err != nil && !errors.As(err, &page.Trouble) {
		page.Trouble = &web.Error{Text: "There are no backups.", Hint: fmt.Sprint(err)}
	}
	s.render(w, r, "backups", "Backups", page)
}

// backupAct begins one.
func (s *Site) backupAct(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("act")
	act, ok := backupActs[name]
	if !ok {
		s.problem(w, r, http.StatusNotFound, "There is no such act.", "")
		return
	}
	job, err := act.call.Do(r.Context(), s.o.Client, web.None{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/backups?"+url.Values{"job": {job.ID}, "act": {name}}.Encode(), http.StatusSeeOther)
}
