package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// node is a name in the tree of folders: a folder, or what only stands above others, or
// a subscription without a folder.
type node struct {
	name       string
	folder     *mailbox.Folder // nil: there is no folder of this name
	subscribed bool
	parent     bool // of folders
	above      bool // what it is above is selected, itself or not (RFC 5258 section 3.1)
}

// forest are all names of an account in their order, those above others that are no
// folders included.
type forest struct {
	nodes []*node
	by    map[string]*node
}

func plant(folders []mailbox.Folder, lost []string) *forest {
	f := &forest{by: make(map[string]*node)}
	for i := range folders {
		n := f.at(folders[i].Name)
		n.folder, n.subscribed = &folders[i], folders[i].Subscribed
		f.raise(n.name)
	}
	for _, name := range lost {
		f.at(name).subscribed = true
	}
	slices.SortFunc(f.nodes, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return f
}

func (f *forest) at(name string) *node {
	n := f.by[name]
	if n == nil {
		n = &node{name: name}
		f.by[name] = n
		f.nodes = append(f.nodes, n)
	}
	return n
}

// raise makes the names above a folder parents.
func (f *forest) raise(name string) {
	for above := range aboves(name) {
		f.at(above).parent = true
	}
}

// aboves yields the names above a name, the nearest first.
func aboves(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name, '/') {
			if name = name[:i]; !yield(name) {
				return
			}
		}
	}
}

// list is LIST and LSUB (RFC 9051 section 6.3.9, RFC 5258, RFC 3501 section 6.3.9).
func (s *session) list(ctx context.Context, cmd *syntax.Command) (answer, error) {
	l := cmd.Args.(*syntax.List)
	if !l.Extended && len(l.Patterns) == 1 && l.Patterns[0] == "" {
		s.untagged(cmd.Name + ` (\Noselect) "/" ""`) // what divides levels, and no root
		return answer{}, nil
	}
	var folders []mailbox.Folder
	var lost []string
	counts := map[mailbox.FolderID]int64{}
	err := s.store().Read(ctx, func(tx *store.Tx) (err error) {
		if folders, err = mailbox.Folders(tx, s.account()); err != nil {
			return err
		}
		if lost, err = mailbox.LostSubscriptions(tx, s.account()); err != nil || !slices.Contains(l.Return.Status, syntax.StatusDeleted) {
			return err
		}
		for i := range folders {
			if counts[folders[i].ID], err = countDeleted(tx, &folders[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	f := plant(folders, lost)
	f.mark(l)
	for _, n := range f.nodes {
		s.showNode(cmd.Name, l, n, counts)
	}
	return answer{}, nil
}

// selects reports whether the options of a LIST choose a name.
func (n *node) selects(l *syntax.List) bool {
	switch {
	case l.Subscribed && !n.subscribed:
		return false
	case l.SpecialUse && (n.folder == nil || useWords[n.folder.Role] == ""):
		return false
	case !l.Subscribed && !l.SpecialUse:
		return n.folder != nil || n.parent
	}
	return true
}

// mark notes which names stand above selected ones: for RECURSIVEMATCH (RFC 9051 section
// 6.3.9.6), and for LSUB where its patterns do not reach those (RFC 3501 section 6.3.9).
func (f *forest) mark(l *syntax.List) {
	lsub := l.Subscribed && !l.Extended
	if !l.Recursive && !lsub {
		return
	}
	for _, n := range f.nodes {
		if !n.selects(l) || lsub && matchesAny(l, n.name) {
			continue
		}
		for above := range aboves(n.name) {
			f.at(above).above = true
		}
	}
}

// matchesAny reports whether a name matches a pattern of a LIST.
func matchesAny(l *syntax.List, name string) bool {
	for _, p := range l.Patterns {
		p = syntax.Canonical(l.Reference + p)
		if matches(p, name) || name == "INBOX" && matches(strings.ToUpper(p), name) { // RFC 9051 section 5.1
			return true
		}
	}
	return false
}

// matches is the matching of LIST: * is anything, % anything within a level. It goes back
// to the last star only, so no pattern costs more than the product of the lengths.
func matches(pattern, name string) bool {
	starP, starN, levelP, levelN := -1, 0, -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			starP, starN, levelP = p, n, -1
			p++
		case p < len(pattern) && pattern[p] == '%':
			levelP, levelN = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case levelP >= 0 && name[levelN] != '/':
			levelN++
			p, n = levelP+1, levelN
		case starP >= 0:
			starN++
			p, n, levelP = starP+1, starN, -1
		default:
			return false
		}
	}
	for p < len(pattern) && (pattern[p] == '*' || pattern[p] == '%') {
		p++
	}
	return p == len(pattern)
}

// showNode tells of one name, if it is asked for.
func (s *session) showNode(command string, l *syntax.List, n *node, counts map[mailbox.FolderID]int64) {
	selected := n.selects(l)
	if !matchesAny(l, n.name) || !selected && !n.above {
		return
	}
	if command == "LSUB" {
		s.showSubscribed(n, selected)
		return
	}
	s.out.Raw("* LIST ").Flags(n.attributes(l, selected)).Raw(` "/" `).Mailbox(n.name)
	if l.Recursive && n.above {
		s.out.Raw(` (CHILDINFO (`).Raw(childInfo(l)).Raw(`))`) // RFC 5258 section 3.5
	}
	s.out.Raw("\r\n")
	if n.folder != nil && selected && l.Return.Status != nil {
		s.showStatus(n.folder, l.Return.Status, counts[n.folder.ID]) // RFC 5819
	}
}

func childInfo(l *syntax.List) string {
	switch {
	case !l.Subscribed:
		return `"SPECIAL-USE"`
	case !l.SpecialUse:
		return `"SUBSCRIBED"`
	}
	return `"SUBSCRIBED" "SPECIAL-USE"`
}

// showSubscribed is the answer of LSUB, where \Noselect means: not subscribed itself, but
// something below it is (RFC 3501 section 6.3.9).
func (s *session) showSubscribed(n *node, selected bool) {
	var attributes []string
	if !selected {
		attributes = []string{`\Noselect`}
	}
	s.out.Raw("* LSUB ").Flags(attributes).Raw(` "/" `).Mailbox(n.name).Raw("\r\n")
}

// attributes are what LIST says of a name.
func (n *node) attributes(l *syntax.List, selected bool) []string {
	var all []string
	switch {
	case n.folder == nil && l.Extended:
		all = append(all, `\NonExistent`)
	case n.folder == nil:
		all = append(all, `\Noselect`)
	}
	if n.parent {
		all = append(all, `\HasChildren`)
	} else {
		all = append(all, `\HasNoChildren`)
	}
	if n.subscribed && l.Return.Subscribed {
		all = append(all, `\Subscribed`)
	}
	// RFC 6154 section 2: told without being asked for, too, so that every program finds
	// Sent.
	if n.folder != nil && useWords[n.folder.Role] != "" {
		all = append(all, useWords[n.folder.Role])
	}
	return all
}
