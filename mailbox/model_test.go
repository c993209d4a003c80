package mailbox_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// The model is a mailbox as simple as can be. Random operations are done to it and to
// the real one, which must stay alike, in every counter; and what ChangesSince tells
// must lead from any state seen before to the one of now.
//
//	MODEL_SEED=17 go test -run TestModel ./mailbox
type model struct {
	t       *testing.T
	st      *store.Store
	random  *rand.Rand
	folders map[string]*modelFolder
	lost    map[string]bool // subscriptions without a folder
	quota   int64           // messages; 0: none
	given   map[uint32]bool // UIDVALIDITY
	bodies  []store.BodyID
}

type modelFolder struct {
	id         mailbox.FolderID
	validity   uint32
	role       mailbox.Role
	uidnext    mailbox.UID
	messages   map[mailbox.UID]modelMessage
	subscribed bool
	sealed     bool
	uncounted  bool
	seen       []seen
}

type modelMessage struct {
	body     store.BodyID
	size     int64
	flags    mailbox.Flags
	keywords string // sorted
}

// seen is what somebody knew who was away since.
type seen struct {
	modseq   int64
	messages map[mailbox.UID]modelMessage
}

func TestModel(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("MODEL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	each(t, func(t *testing.T, st *store.Store) {
		t.Logf("MODEL_SEED=%d", seed)
		m := &model{t: t, st: st, random: rand.New(rand.NewPCG(seed, 1)), folders: map[string]*modelFolder{}, lost: map[string]bool{}, given: map[uint32]bool{}}
		create(t, st, 7)
		for name, f := range folders(t, st, 7) {
			m.folders[name] = &modelFolder{id: f.ID, role: f.Role, uidnext: 1, messages: map[mailbox.UID]modelMessage{}, subscribed: true, validity: f.UIDValidity}
			m.given[f.UIDValidity] = true
		}
		steps := 400
		if st.Engine() == store.PostgreSQL {
			steps = 150
		}
		for n := range steps {
			what := m.step()
			m.compare(fmt.Sprintf("step %d, %s", n, what))
			if t.Failed() {
				return
			}
		}
		m.compareBodies()
	})
}

func (m *model) step() string {
	steps := []func() string{m.deliver, m.deliver, m.append, m.append, m.setFlags, m.setFlags, m.setFlags, m.expunge, m.expunge,
		m.copy, m.move, m.newFolder, m.rename, m.remove, m.subscribe, m.setQuota}
	return steps[m.random.IntN(len(steps))]()
}

// do runs a change and checks that it fails as it should.
func (m *model) do(want error, f func(tx *store.Tx) error) bool {
	m.t.Helper()
	err := m.st.Write(m.t.Context(), f)
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		m.t.Errorf("error %v, want %v", err, want)
	}
	return err == nil
}

func (m *model) names() []string { return slices.Sorted(maps.Keys(m.folders)) }

func (m *model) anyName() string {
	all := m.names()
	return all[m.random.IntN(len(all))]
}

// newName is one that may or may not be there.
func (m *model) newName() string {
	levels := []string{"a", "b", "c", "Sealed", "Trash", "INBOX"}
	name := levels[m.random.IntN(len(levels))]
	for range m.random.IntN(3) {
		name += "/" + levels[m.random.IntN(3)]
	}
	return name
}

// someUIDs are some that are there and some that are not, in any order.
func (m *model) someUIDs(f *modelFolder) (uids []mailbox.UID) {
	from := 1 + m.random.IntN(int(f.uidnext))
	for range m.random.IntN(12) {
		uids = append(uids, mailbox.UID(from+m.random.IntN(8)))
	}
	return uids
}

func (f *modelFolder) present(uids []mailbox.UID) (there []mailbox.UID) {
	for _, uid := range uids {
		if _, ok := f.messages[uid]; ok && !slices.Contains(there, uid) {
			there = append(there, uid)
		}
	}
	slices.Sort(there)
	return there
}

func (f *modelFolder) put(msg modelMessage) mailbox.UID {
	f.messages[f.uidnext] = msg
	f.uidnext++
	return f.uidnext - 1
}

func (m *model) counted() (n int64) {
	for _, f := range m.folders {
		if !f.uncounted {
			n += int64(len(f.messages))
		}
	}
	return n
}

func (m *model) full(more int) bool { return m.quota > 0 && m.counted()+int64(more) > m.quota }

func (m *model) newBody(tx *store.Tx, d *mailbox.Delivery) (err error) {
	d.Body, err = put(tx, m.st, "body "+strconv.Itoa(len(m.bodies)))
	m.bodies = append(m.bodies, d.Body)
	return err
}

func (m *model) message() mailbox.Delivery {
	d := mailbox.Delivery{Account: 7, Size: int64(m.random.IntN(1000)), Received: noon, Flags: mailbox.Flags(m.random.IntN(32))}
	if m.random.IntN(3) == 0 {
		d.Keywords = []string{"k" + strconv.Itoa(m.random.IntN(3))}
	}
	if m.random.IntN(2) == 0 {
		d.Structure = []byte("s")
	}
	return d
}

func modelOf(d mailbox.Delivery) modelMessage {
	return modelMessage{d.Body, d.Size, d.Flags, strings.Join(d.Keywords, " ")}
}

func (m *model) deliver() string {
	d := m.message()
	to := m.folders["INBOX"]
	if m.random.IntN(3) == 0 {
		d.Name = m.newName()
		if f := m.folders[d.Name]; f != nil && !f.sealed {
			to = f
		}
	}
	m.do(nil, func(tx *store.Tx) error {
		if err := m.newBody(tx, &d); err != nil {
			return err
		}
		uid, err := mailbox.Deliver(tx, d)
		if uid != to.uidnext {
			m.t.Errorf("UID %d, want %d", uid, to.uidnext)
		}
		return err
	})
	to.put(modelOf(d))
	return "deliver to " + d.Name
}

func (m *model) append() string {
	name := m.anyName()
	f := m.folders[name]
	all := make([]mailbox.Delivery, 1+m.random.IntN(40))
	var want error
	switch {
	case f.sealed:
		want = mailbox.ErrSealed
	case !f.uncounted && m.full(len(all)):
		want = mailbox.ErrQuota
	}
	if m.do(want, func(tx *store.Tx) error {
		for i := range all {
			all[i] = m.message()
			if err := m.newBody(tx, &all[i]); err != nil {
				return err
			}
		}
		uids, validity, err := mailbox.AppendAll(tx, f.id, all)
		if err == nil && (uids.First != f.uidnext || uids.Len() != len(all) || validity != f.validity) {
			m.t.Errorf("appended as %v of %d", uids, validity)
		}
		return err
	}) {
		for _, d := range all {
			f.put(modelOf(d))
		}
	}
	return "append to " + name
}

func (m *model) setFlags() string {
	name := m.anyName()
	f := m.folders[name]
	uids := m.someUIDs(f)
	c := mailbox.FlagChange{Op: mailbox.FlagOp(m.random.IntN(3)), Flags: mailbox.Flags(m.random.IntN(32))}
	for range m.random.IntN(3) {
		c.Keywords = append(c.Keywords, "k"+strconv.Itoa(m.random.IntN(3)))
	}
	m.do(nil, func(tx *store.Tx) error {
		changed, _, err := mailbox.SetFlags(tx, f.id, uids, c)
		if !slices.Equal(uidsOf(changed), f.present(uids)) {
			m.t.Errorf("set flags of %v, want %v", uidsOf(changed), f.present(uids))
		}
		return err
	})
	for _, uid := range f.present(uids) {
		msg := f.messages[uid]
		has := map[string]bool{}
		if c.Op != mailbox.ReplaceFlags {
			for k := range strings.FieldsSeq(msg.keywords) {
				has[k] = true
			}
		}
		for _, k := range c.Keywords {
			has[k] = c.Op != mailbox.RemoveFlags
		}
		maps.DeleteFunc(has, func(_ string, on bool) bool { return !on })
		msg.keywords = strings.Join(slices.Sorted(maps.Keys(has)), " ")
		switch c.Op {
		case mailbox.AddFlags:
			msg.flags |= c.Flags
		case mailbox.RemoveFlags:
			msg.flags &^= c.Flags
		case mailbox.ReplaceFlags:
			msg.flags = c.Flags
		}
		f.messages[uid] = msg
	}
	return "flags in " + name
}

func (m *model) expunge() string {
	name := m.anyName()
	f := m.folders[name]
	uids := m.someUIDs(f)
	m.do(nil, func(tx *store.Tx) error {
		gone, err := mailbox.Expunge(tx, f.id, uids)
		if !slices.Equal(gone, f.present(uids)) {
			m.t.Errorf("expunged %v, want %v", gone, f.present(uids))
		}
		return err
	})
	for _, uid := range uids {
		delete(f.messages, uid)
	}
	return "expunge in " + name
}

func (m *model) copy() string { return m.pass("copy", mailbox.Copy) }
func (m *model) move() string { return m.pass("move", mailbox.Move) }

func (m *model) pass(what string, pass func(*store.Tx, mailbox.FolderID, []mailbox.UID, mailbox.FolderID) (mailbox.Copied, error)) string {
	a, b := m.anyName(), m.anyName()
	from, to := m.folders[a], m.folders[b]
	uids := m.someUIDs(from)
	there := from.present(uids)
	var want error
	switch {
	case to.sealed:
		want = mailbox.ErrSealed
	case !to.uncounted && (what == "copy" || from.uncounted) && len(there) > 0 && m.full(len(there)):
		want = mailbox.ErrQuota
	}
	var c mailbox.Copied
	if m.do(want, func(tx *store.Tx) (err error) {
		c, err = pass(tx, from.id, uids, to.id)
		return err
	}) {
		if !slices.Equal(c.From, there) || c.Validity != to.validity {
			m.t.Errorf("%s of %v took %v", what, there, c)
		}
		for i, uid := range there {
			if got := to.put(from.messages[uid]); got != c.To[i] {
				m.t.Errorf("%d became %d, want %d", uid, c.To[i], got)
			}
			if what == "move" {
				delete(from.messages, uid)
			}
		}
	}
	return fmt.Sprintf("%s %v from %s to %s", what, there, a, b)
}

// belowSealed reports whether the nearest folder above a name is sealed.
func (m *model) belowSealed(name string) bool {
	for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name, '/') {
		name = name[:i]
		if f := m.folders[name]; f != nil {
			return f.sealed
		}
	}
	return false
}

func (m *model) newFolder() string {
	f := mailbox.Folder{Account: 7, Name: m.newName()}
	if strings.HasPrefix(f.Name, "Sealed") {
		f.Sealed, f.Uncounted = true, true
	}
	var want error
	switch {
	case m.folders[f.Name] != nil && (f.Sealed || !m.belowSealed(f.Name)):
		want = mailbox.ErrFolderExists
	case !f.Sealed && m.belowSealed(f.Name):
		want = mailbox.ErrSealed
	}
	var id mailbox.FolderID
	if m.do(want, func(tx *store.Tx) (err error) {
		id, err = mailbox.NewFolder(tx, f)
		return err
	}) {
		m.folders[f.Name] = &modelFolder{id: id, uidnext: 1, messages: map[mailbox.UID]modelMessage{}, sealed: f.Sealed, uncounted: f.Uncounted,
			subscribed: m.lost[f.Name]}
		delete(m.lost, f.Name)
	}
	return "create " + f.Name
}

func (m *model) rename() string {
	from, to := m.anyName(), m.newName()
	what := "rename " + from + " to " + to
	if to == "INBOX" {
		m.do(mailbox.ErrFolderExists, func(tx *store.Tx) error { return mailbox.Rename(tx, 7, from, to) })
		return what
	}
	if from == "INBOX" {
		return what + m.renameInbox(to)
	}
	moved := map[string]*modelFolder{}
	var want error
	more := 0
	for name, f := range m.folders {
		if name == from || strings.HasPrefix(name, from+"/") {
			moved[name] = f
			if m.folders[to+name[len(from):]] != nil {
				want = mailbox.ErrFolderExists
			}
			if f.uncounted {
				more += len(f.messages)
			}
		}
	}
	anyUncounted := slices.ContainsFunc(slices.Collect(maps.Values(moved)), func(f *modelFolder) bool { return f.uncounted })
	switch {
	case to == from || strings.HasPrefix(to, from+"/"):
		want = mailbox.ErrFolderName
	case m.belowSealed(to):
		want = mailbox.ErrSealed
	case want == nil && anyUncounted && m.full(more):
		want = mailbox.ErrQuota
	}
	if m.do(want, func(tx *store.Tx) error { return mailbox.Rename(tx, 7, from, to) }) {
		for name, f := range moved {
			delete(m.folders, name)
			f.sealed, f.uncounted = false, false
		}
		for name, f := range moved {
			name = to + name[len(from):]
			m.folders[name] = f
			f.subscribed = f.subscribed || m.lost[name]
			delete(m.lost, name)
		}
	}
	return what
}

func (m *model) renameInbox(to string) string {
	var want error
	switch {
	case m.belowSealed(to):
		want = mailbox.ErrSealed
	case m.folders[to] != nil:
		want = mailbox.ErrFolderExists
	}
	if m.do(want, func(tx *store.Tx) error { return mailbox.Rename(tx, 7, "INBOX", to) }) {
		inbox := m.folders["INBOX"]
		f := &modelFolder{uidnext: 1, messages: map[mailbox.UID]modelMessage{}, subscribed: m.lost[to]}
		for _, uid := range slices.Sorted(maps.Keys(inbox.messages)) {
			f.put(inbox.messages[uid])
		}
		clear(inbox.messages)
		delete(m.lost, to)
		m.folders[to] = f
		f.id = folders(m.t, m.st, 7)[to].ID
	}
	return ""
}

func (m *model) remove() string {
	name := m.anyName()
	var want error
	if name == "INBOX" {
		want = mailbox.ErrFolderName
	}
	if m.do(want, func(tx *store.Tx) error { return mailbox.RemoveFolder(tx, 7, name) }) {
		if m.folders[name].subscribed {
			m.lost[name] = true
		}
		delete(m.folders, name)
		if _, err := mailbox.Sweep(m.t.Context(), m.st); err != nil {
			m.t.Error(err)
		}
	}
	return "remove " + name
}

func (m *model) subscribe() string {
	name, on := m.newName(), m.random.IntN(2) == 0
	var want error
	if m.folders[name] == nil && on {
		want = mailbox.ErrNoFolder
	}
	if m.do(want, func(tx *store.Tx) error { return mailbox.Subscribe(tx, 7, name, on) }) {
		delete(m.lost, name)
		if f := m.folders[name]; f != nil {
			f.subscribed = on
		}
	}
	return "subscribe " + name
}

func (m *model) setQuota() string {
	m.quota = 0
	if m.random.IntN(3) > 0 {
		m.quota = m.counted() + int64(m.random.IntN(60))
	}
	m.do(nil, func(tx *store.Tx) error { return mailbox.SetQuota(tx, 7, mailbox.Quota{Messages: m.quota}) })
	return "quota"
}

// compare looks at every folder, and at all messages of one.
func (m *model) compare(after string) {
	m.t.Helper()
	have := folders(m.t, m.st, 7)
	if diff := gocmp.Diff(m.names(), slices.Sorted(maps.Keys(have))); diff != "" {
		m.t.Errorf("%s: folders (-want +got):\n%s", after, diff)
		return
	}
	for name, f := range m.folders {
		got := have[name]
		if f.validity == 0 {
			if m.given[got.UIDValidity] {
				m.t.Errorf("%s: UIDVALIDITY %d was given before", after, got.UIDValidity)
			}
			f.validity, m.given[got.UIDValidity] = got.UIDValidity, true
		}
		want := mailbox.Folder{ID: f.id, Account: 7, Name: name, Role: f.role, Subscribed: f.subscribed, UIDValidity: f.validity, UIDNext: f.uidnext,
			ModSeq: got.ModSeq, Messages: int64(len(f.messages)), Uncounted: f.uncounted, Sealed: f.sealed, Created: got.Created}
		for _, msg := range f.messages {
			want.Bytes += msg.size
			if msg.flags&mailbox.Seen == 0 {
				want.Unseen++
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			m.t.Errorf("%s: folder %s (-want +got):\n%s", after, name, diff)
		}
	}
	read(m.t, m.st, func(tx *store.Tx) error {
		lost, err := mailbox.LostSubscriptions(tx, 7)
		if !slices.Equal(lost, slices.Sorted(maps.Keys(m.lost))) {
			m.t.Errorf("%s: lost subscriptions %v, want %v", after, lost, m.lost)
		}
		return err
	})
	name := m.anyName()
	m.compareMessages(after+", in "+name, m.folders[name])
}

func (m *model) compareMessages(after string, f *modelFolder) {
	m.t.Helper()
	read(m.t, m.st, func(tx *store.Tx) error {
		now := map[mailbox.UID]modelMessage{}
		if err := mailbox.Fetch(tx, f.id, everything, mailbox.Facts, func(msg *mailbox.Message) error {
			now[msg.UID] = seenAs(*msg)
			return nil
		}); err != nil {
			return err
		}
		if diff := gocmp.Diff(f.messages, now, gocmp.AllowUnexported(modelMessage{})); diff != "" {
			m.t.Errorf("%s: messages (-want +got):\n%s", after, diff)
		}
		uids, err := mailbox.UIDs(tx, f.id)
		if err != nil {
			return err
		}
		if got := slices.Collect(uids.All()); !slices.Equal(got, slices.Sorted(maps.Keys(f.messages))) {
			m.t.Errorf("%s: UIDs() = %v, want %v", after, got, slices.Sorted(maps.Keys(f.messages)))
		}
		modseq := int64(0)
		if len(f.seen) > 0 {
			modseq = m.catchUp(tx, after, f, f.seen[m.random.IntN(len(f.seen))], now)
		}
		if m.random.IntN(3) == 0 || modseq == 0 {
			c, err := mailbox.ChangesSince(tx, f.id, 1<<60)
			f.seen = append(f.seen, seen{c.ModSeq, now})
			return err
		}
		return nil
	})
}

// catchUp applies the changes to what was seen before.
func (m *model) catchUp(tx *store.Tx, after string, f *modelFolder, from seen, now map[mailbox.UID]modelMessage) int64 {
	m.t.Helper()
	c, err := mailbox.ChangesSince(tx, f.id, from.modseq)
	if err != nil {
		m.t.Error(err)
	}
	then := maps.Clone(from.messages)
	for _, r := range c.Vanished {
		for uid := r.First; uid <= r.Last; uid++ {
			delete(then, uid)
		}
	}
	for _, msg := range c.Changed {
		if msg.ModSeq <= from.modseq || msg.ModSeq > c.ModSeq {
			m.t.Errorf("%s: UID %d has MODSEQ %d, asked for those behind %d, and the folder has %d", after, msg.UID, msg.ModSeq, from.modseq, c.ModSeq)
		}
		then[msg.UID] = seenAs(msg)
	}
	if diff := gocmp.Diff(now, then, gocmp.AllowUnexported(modelMessage{})); diff != "" {
		m.t.Errorf("%s: changes since %d do not lead here (-want +got):\n%s", after, from.modseq, diff)
	}
	return c.ModSeq
}

func seenAs(msg mailbox.Message) modelMessage {
	keywords := slices.Clone(msg.Keywords)
	slices.SortFunc(keywords, cmp.Compare)
	return modelMessage{msg.Body, msg.Size, msg.Flags, strings.Join(keywords, " ")}
}

// compareBodies sweeps, and then exactly those bodies are there that somebody has.
func (m *model) compareBodies() {
	if _, err := m.st.Sweep(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	held := map[store.BodyID]bool{}
	for _, f := range m.folders {
		for _, msg := range f.messages {
			held[msg.body] = true
		}
	}
	read(m.t, m.st, func(tx *store.Tx) error {
		moves, err := mailbox.JunkMoves(tx, 0, 1<<20)
		for _, move := range moves {
			held[move.Body] = true
		}
		return err
	})
	if n := count(m.t, m.st, `SELECT COUNT(*) FROM store_body WHERE size > 0`); n != len(held) {
		m.t.Errorf("%d bodies are kept, and %d are needed", n, len(held))
	}
	for body := range held {
		b, err := m.st.OpenBody(m.t.Context(), body)
		if err != nil {
			m.t.Errorf("body %d is gone, and there are messages of it: %v", body, err)
			continue
		}
		b.Close()
	}
}
