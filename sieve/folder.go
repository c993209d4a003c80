package sieve

import (
	"slices"
	"strings"
)

// flagsTag is for keep and fileinto (RFC 5232 section 5).
var flagsTag = tagForm{name: "flags", value: stringList, needs: "imap4flags"}

// keep is the command of RFC 5228 section 4.3.
func (c *compiler) keep(n *node) (command, error) {
	t, err := c.take(n, signature{tags: []tagForm{flagsTag}})
	if err != nil {
		return nil, err
	}
	flags, err := c.flagsOf(t)
	return func(r *run) error {
		set, err := flags(r)
		if err != nil {
			return err
		}
		r.implicitKeep = false
		return r.file(File{Flags: set})
	}, err
}

// fileInto is the command of RFC 5228 section 4.1, with the tags of RFC 3894, 5232,
// 5490 and 8579.
func (c *compiler) fileInto(n *node) (command, error) {
	t, err := c.take(n, signature{needs: []string{"fileinto"}, arguments: []form{oneString}, tags: []tagForm{
		flagsTag,
		{name: "copy", needs: "copy"},
		{name: "create", needs: "mailbox"},
		{name: "specialuse", value: oneString, needs: "special-use"},
	}})
	if err != nil {
		return nil, err
	}
	flags, err := c.flagsOf(t)
	if err != nil {
		return nil, err
	}
	folder, err := c.oneText(t.arguments[0])
	if err != nil {
		return nil, err
	}
	if name, ok := folder.constant(); ok && strings.TrimSpace(name) == "" {
		return nil, c.fail(folder.at, "the folder has no name")
	}
	use, err := c.oneText(t.tags["specialuse"])
	if err != nil {
		return nil, err
	}
	if s, ok := use.constant(); ok && t.has("specialuse") && !isUse(s) {
		return nil, c.fail(use.at, `"%s" is no special use; one is "\\Archive"`, s)
	}
	return func(r *run) error {
		set, err := flags(r)
		if err != nil {
			return err
		}
		return r.fileInto(folder, use, set, t)
	}, nil
}

func (r *run) fileInto(folder, use text, flags []string, t taken) error {
	name, err := r.say(folder)
	if err != nil {
		return err
	}
	wanted, err := r.say(use)
	if err != nil {
		return err
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	if strings.TrimSpace(name) == "" {
		return r.fail(folder.at, "the folder has no name")
	}
	if strings.EqualFold(name, "INBOX") {
		name = "INBOX"
	}
	if !t.has("copy") {
		r.implicitKeep = false
	}
	return r.file(File{Folder: name, Use: wanted, Create: t.has("create"), Flags: flags})
}

// isUse is a special-use attribute (RFC 6154 section 6).
func isUse(s string) bool {
	return len(s) > 1 && s[0] == '\\' && isAtom(s[1:])
}

// file notes a folder, each once (RFC 5228 section 2.10.3): a second time only adds
// flags.
func (r *run) file(f File) error {
	for i := range r.actions.Files {
		have := &r.actions.Files[i]
		if have.Folder == f.Folder && have.Use == f.Use {
			have.Flags = union(have.Flags, f.Flags)
			have.Create = have.Create || f.Create
			have.Implicit = have.Implicit && f.Implicit
			return nil
		}
	}
	f.Flags = slices.Clone(f.Flags)
	r.actions.Files = append(r.actions.Files, f)
	return r.bound()
}

// bound counts the actions.
func (r *run) bound() error {
	l := r.script.limits
	switch n := len(r.actions.Redirects); {
	case n > l.Redirects:
		return errorAt(r.script.source, 0, "%w: the message would go to over %d other addresses", ErrTooMuch, l.Redirects)
	case n+len(r.actions.Files) > l.Actions:
		return errorAt(r.script.source, 0, "%w: the message would go to over %d places", ErrTooMuch, l.Actions)
	}
	return nil
}

// mailboxExists is the test of RFC 5490 section 3.1: all of them must.
func (c *compiler) mailboxExists(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"mailbox"}, arguments: []form{stringList}})
	if err != nil {
		return nil, err
	}
	names, err := c.texts(t.arguments[0])
	return func(r *run) (bool, error) {
		return r.allAre(names, r.message.HasFolder)
	}, err
}

// specialUseExists is the test of RFC 8579 section 3. With a folder named it asks
// whether that folder may be filed into for every use, which here is the same.
func (c *compiler) specialUseExists(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"special-use"}, arguments: []form{oneString, stringList}, optional: true})
	if err != nil {
		return nil, err
	}
	uses, err := c.texts(t.arguments[len(t.arguments)-1])
	if err != nil {
		return nil, err
	}
	var folders []text
	if len(t.arguments) == 2 {
		folders, err = c.texts(t.arguments[0])
	}
	return func(r *run) (bool, error) {
		if holds, err := r.allAre(folders, r.message.HasFolder); !holds || err != nil {
			return false, err
		}
		return r.allAre(uses, r.message.HasUse)
	}, err
}

// allAre reports whether all names pass.
func (r *run) allAre(names []text, is func(string) (bool, error)) (bool, error) {
	for _, n := range names {
		name, err := r.say(n)
		if err != nil || is == nil {
			return false, err
		}
		if ok, err := is(name); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
