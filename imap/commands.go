package imap

import (
	"context"

	"github.com/allgreen-mail/allgreen/imap/syntax"
)

// news is how much of what others did may be shown at the end of a command.
type news int

// The zero value is right for most commands.
const (
	allNews    news = iota
	flagNews        // no EXPUNGE: the client may have sent more commands with numbers (RFC 9051 section 7.5.1)
	hideNews        // nothing: the command has no folder open, or ends with it
	askForNews      // allNews, asked for: the store is looked at even when nobody woke us
)

// of is what may be shown at the end of this very command: those with UIDs do not mind
// that numbers change.
func (n news) of(cmd *syntax.Command) news {
	if n == flagNews && cmd.UID {
		return allNews
	}
	return n
}

// command is how one command is done.
type command struct {
	when state
	news news
	do   func(*session, context.Context, *syntax.Command) (answer, error)
}

// wrongTime is what is wrong with a command in this state.
func (c command) wrongTime(now state) string {
	switch {
	case now == stranger:
		return "log in first"
	case c.when == stranger:
		return "logged in already"
	}
	return "select a folder first"
}

// commandOf finds a command. The methods stand in files of their own, one for each
// group.
func commandOf(name string) (command, bool) {
	c, ok := table[name]
	return c, ok
}

// table is what the server understands.
var table = map[string]command{
	"CAPABILITY": {always, allNews, (*session).capability},
	"NOOP":       {always, askForNews, (*session).noop},
	"CHECK":      {reader, askForNews, (*session).noop},
	"LOGOUT":     {always, hideNews, (*session).logout},
	"ID":         {always, allNews, (*session).id},

	"STARTTLS":     {stranger, hideNews, (*session).startTLS},
	"LOGIN":        {stranger, hideNews, (*session).login},
	"AUTHENTICATE": {stranger, hideNews, (*session).authenticate},
	"ENABLE":       {loggedIn, allNews, (*session).enable},
	"COMPRESS":     {loggedIn, hideNews, (*session).compress},

	"NAMESPACE":    {loggedIn, allNews, (*session).namespace},
	"LIST":         {loggedIn, allNews, (*session).list},
	"LSUB":         {loggedIn, allNews, (*session).list},
	"STATUS":       {loggedIn, allNews, (*session).status},
	"CREATE":       {loggedIn, allNews, (*session).create},
	"DELETE":       {loggedIn, allNews, (*session).delete},
	"RENAME":       {loggedIn, allNews, (*session).rename},
	"SUBSCRIBE":    {loggedIn, allNews, (*session).subscribe},
	"UNSUBSCRIBE":  {loggedIn, allNews, (*session).subscribe},
	"GETQUOTA":     {loggedIn, allNews, (*session).getQuota},
	"GETQUOTAROOT": {loggedIn, allNews, (*session).getQuotaRoot},
	"SETQUOTA":     {loggedIn, allNews, (*session).setQuota},
	"APPEND":       {loggedIn, askForNews, (*session).append},

	"SELECT":   {loggedIn, hideNews, (*session).selecting},
	"EXAMINE":  {loggedIn, hideNews, (*session).selecting},
	"UNSELECT": {reader, hideNews, (*session).unselect},
	"CLOSE":    {reader, hideNews, (*session).close},
	"IDLE":     {loggedIn, askForNews, (*session).idle},

	"FETCH":  {reader, flagNews, (*session).fetch},
	"SEARCH": {reader, flagNews, (*session).search},
	"SORT":   {reader, flagNews, (*session).sort},
	"THREAD": {reader, flagNews, (*session).thread},

	"STORE":   {reader, flagNews, (*session).storeFlags},
	"COPY":    {reader, allNews, (*session).copy},
	"MOVE":    {reader, askForNews, (*session).move},
	"EXPUNGE": {reader, askForNews, (*session).expunge},
}
