package imap

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
)

// thread is THREAD (RFC 5256 section 3).
func (s *session) thread(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Thread)
	found, err := s.find(ctx, &args.Search)
	if err != nil {
		return answer{}, err
	}
	all, err := s.letters(ctx, found, cmd.UID)
	if err != nil {
		return answer{}, err
	}
	var roots []*knot
	if args.Algorithm == "ORDEREDSUBJECT" {
		roots = bySubject(all)
	} else {
		roots = byReferences(all)
	}
	s.out.Raw("* THREAD")
	if len(roots) > 0 {
		s.out.Raw(" ")
	}
	for _, n := range roots {
		s.showThread(n)
	}
	s.out.Raw("\r\n")
	return answer{}, s.out.Err()
}

// letter is a message as threads are made of them.
type letter struct {
	number     uint32 // message number or UID, as it is told
	sent       time.Time
	subject    string // base subject, folded
	isReply    bool   // its subject says that it answers or forwards something
	id         string
	references []string
}

// letters reads what threads are made of.
func (s *session) letters(ctx context.Context, found mailbox.UIDSet, uid bool) ([]letter, error) {
	all := make([]letter, 0, found.Len())
	err := mailbox.FetchPages(ctx, s.store(), s.view.folder, found.Ranges(), mailbox.Facts|mailbox.Structures, func(m *mailbox.Message) error {
		n, known := s.view.number(m.UID)
		if !known {
			return nil
		}
		head, err := s.head(ctx, m, structure.WithSubject|structure.WithIDs)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		l := letter{number: uint32(n), sent: sentDate(head, m.Received), id: head.Envelope.Identifier(), references: head.References}
		if uid {
			l.number = uint32(m.UID)
		}
		base, isReply := structure.BaseSubject(head.Envelope.Subject)
		l.subject, l.isReply = fold(base), isReply
		all = append(all, l)
		return nil
	})
	return all, err
}

// knot is a message in a thread, with those that answer it.
type knot struct {
	letter   *letter // nil: it is not here, though others refer to it
	parent   *knot
	children []*knot
}

// maxSteps bounds the search for a circle in a thread, which hostile letters could make
// long: what is deeper counts as one.
const maxSteps = 1000

// isBelow reports whether the knot is other, or somewhere below it.
func (n *knot) isBelow(other *knot) bool {
	if n == other || len(other.children) == 0 {
		return n == other
	}
	for range maxSteps {
		if n = n.parent; n == nil {
			return false
		}
		if n == other {
			break
		}
	}
	return true
}

// adopt makes child an answer to n, unless that were a circle.
func (n *knot) adopt(child *knot) {
	if n.isBelow(child) {
		return
	}
	child.leave()
	child.parent = n
	n.children = append(n.children, child)
}

func (n *knot) leave() {
	if n.parent != nil {
		n.parent.children = slices.DeleteFunc(n.parent.children, func(c *knot) bool { return c == n })
		n.parent = nil
	}
}

// first is the letter that a knot is sorted by: its own, or that of its first answer.
func (n *knot) first() *letter {
	for n.letter == nil {
		n = n.children[0]
	}
	return n.letter
}

// compareLetters puts letters in the order in which they were sent.
func compareLetters(a, b *letter) int {
	return cmp.Or(a.sent.Compare(b.sent), cmp.Compare(a.number, b.number))
}

func sortNodes(all []*knot) {
	slices.SortStableFunc(all, func(a, b *knot) int { return compareLetters(a.first(), b.first()) })
}

// bySubject is ORDEREDSUBJECT: the first letter of a subject has all others as answers.
func bySubject(all []letter) (roots []*knot) {
	order := make([]*letter, len(all))
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortFunc(order, compareLetters)
	of := map[string]*knot{}
	for _, l := range order {
		if root := of[l.subject]; root != nil {
			root.children = append(root.children, &knot{letter: l})
			continue
		}
		n := &knot{letter: l}
		of[l.subject] = n
		roots = append(roots, n)
	}
	return roots
}

// showThread writes "(1 2 (3)(4 5))". Threads can be as deep as there are messages.
func (s *session) showThread(root *knot) {
	w := s.out
	w.Raw("(")
	s.showChain(root)
	open := [][]*knot{branches(root)} // still to be written, of each open parenthesis
	for len(open) > 0 {
		rest := &open[len(open)-1]
		if len(*rest) == 0 {
			w.Raw(")")
			open = open[:len(open)-1]
			continue
		}
		n := (*rest)[0]
		*rest = (*rest)[1:]
		w.Raw("(")
		s.showChain(n)
		open = append(open, branches(n))
	}
}

// showChain writes a message, and what follows it as long as each has one answer.
func (s *session) showChain(n *knot) {
	for space := ""; ; space = " " {
		if n.letter != nil {
			s.out.Raw(space).Number(int64(n.letter.number))
		}
		if len(n.children) != 1 {
			if len(n.children) > 1 && n.letter != nil {
				s.out.Raw(" ")
			}
			return
		}
		n = n.children[0]
	}
}

// branches are the answers at the end of the chain that begins with a knot.
func branches(n *knot) []*knot {
	for len(n.children) == 1 {
		n = n.children[0]
	}
	return n.children
}
