package transfer

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/world"
)

// IMAPOptions say which mailbox of which server.
type IMAPOptions struct {
	Host     string // name or address
	Port     uint16 // 0: 993; 143 speaks STARTTLS
	User     string
	Password string
	Insecure bool // takes any certificate: for a server in the next room only
}

// IMAP is a mailbox on another server. It is only read: folders are opened with
// EXAMINE and messages fetched with PEEK, so nothing there becomes seen.
type IMAP struct {
	options IMAPOptions
	client  *imapclient.Client
	names   names // those there
	spool   spool
	stop    func() bool
}

// imapPorts are those of RFC 8314 and, with STARTTLS, RFC 9051.
const (
	imapsPort = 993
	imapPort  = 143
)

// imapPatience is how long one command may be silent.
const imapPatience = 5 * time.Minute

// DialIMAP connects and logs in, over TLS always. Its context ends the connection.
func DialIMAP(ctx context.Context, w *world.World, o IMAPOptions) (*IMAP, error) {
	if o.Port == 0 {
		o.Port = imapsPort
	}
	conn, err := dialHost(ctx, w, o.Host, o.Port)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", o.Host, err)
	}
	s := &IMAP{options: o, names: names{}}
	s.stop = context.AfterFunc(ctx, func() { conn.Close() })
	if err := s.enter(ctx, patient{conn}, w); err != nil {
		s.stop()
		conn.Close()
		return nil, fmt.Errorf("log in at %s: %w", o.Host, err)
	}
	return s, nil
}

func dialHost(ctx context.Context, w *world.World, host string, port uint16) (net.Conn, error) {
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		name, err := mail.ParseDomain(host)
		if err != nil {
			return nil, err
		}
		if ips, err = world.LookupHost(ctx, w, name); err != nil {
			return nil, err
		}
	}
	err := fmt.Errorf("%s has no address", host)
	for _, ip := range ips {
		var conn net.Conn
		if conn, err = w.Dial(ctx, netip.AddrPortFrom(ip, port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// patient gives up on a server that says nothing any more.
type patient struct{ net.Conn }

// Read waits for so long and no longer.
func (p patient) Read(b []byte) (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(imapPatience)) // deadline
	return p.Conn.Read(b)
}

// enter speaks TLS, from the start or by STARTTLS, and logs in.
func (s *IMAP) enter(ctx context.Context, conn net.Conn, w *world.World) error {
	config := &tls.Config{
		ServerName: s.options.Host, RootCAs: w.Roots, Time: w.Now,
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.options.Insecure,
	}
	o := &imapclient.Options{TLSConfig: config}
	if s.options.Port == imapPort {
		client, err := imapclient.NewStartTLS(conn, o)
		if err != nil {
			return err
		}
		s.client = client
	} else {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		s.client = imapclient.New(secure, o)
	}
	if err := s.client.WaitGreeting(); err != nil {
		return err
	}
	return s.client.Login(s.options.User, s.options.Password).Wait()
}

// Close logs out.
func (s *IMAP) Close() error {
	s.stop()
	_ = s.client.Logout().Wait() // whatever it says, we hang up
	return s.client.Close()
}

// Name is user and server.
func (s *IMAP) Name() string { return "imap:" + s.options.User + "@" + s.options.Host }

// Folders asks for all that can be opened.
func (s *IMAP) Folders(context.Context) ([]Folder, error) {
	extended := s.client.Caps().Has(imap.CapListExtended) || s.client.Caps().Has(imap.CapIMAP4rev2)
	var o *imap.ListOptions
	if extended {
		o = &imap.ListOptions{ReturnSubscribed: true, ReturnSpecialUse: s.client.Caps().Has(imap.CapSpecialUse)}
	}
	list, err := s.client.List("", "*", o).Collect()
	if err != nil {
		return nil, err
	}
	// What keeps its name comes first, and in one order, so that each run gives the same
	// names.
	slices.SortFunc(list, func(a, b *imap.ListData) int {
		return cmp.Or(cmp.Compare(len(levelsBelowInbox(a)), len(levelsBelowInbox(b))), cmp.Compare(a.Mailbox, b.Mailbox))
	})
	clear(s.names)
	var all []Folder
	for _, l := range list {
		if slices.ContainsFunc(l.Attrs, func(a imap.MailboxAttr) bool { return isNot(a) }) {
			continue
		}
		f := s.folder(l)
		f.Subscribed = !extended || slices.Contains(l.Attrs, imap.MailboxAttrSubscribed)
		all = append(all, f)
	}
	sortFolders(all)
	return all, nil
}

// isNot reports the attributes of what cannot be opened, or holds what other folders
// hold.
func isNot(a imap.MailboxAttr) bool {
	return a == imap.MailboxAttrNoSelect || a == imap.MailboxAttrNonExistent || a == imap.MailboxAttrAll || a == imap.MailboxAttrFlagged || a == imap.MailboxAttrImportant
}

// specialUses are the attributes of RFC 6154 that are roles here.
var specialUses = map[imap.MailboxAttr]mailbox.Role{
	imap.MailboxAttrSent: mailbox.Sent, imap.MailboxAttrDrafts: mailbox.Drafts, imap.MailboxAttrJunk: mailbox.Junk,
	imap.MailboxAttrTrash: mailbox.Trash, imap.MailboxAttrArchive: mailbox.Archive,
}

// levelsBelowInbox are the levels of a folder below the inbox; none: it is elsewhere.
func levelsBelowInbox(l *imap.ListData) []string {
	levels := levelsOf(l)
	if len(levels) > 1 && strings.EqualFold(levels[0], "INBOX") {
		return levels[1:]
	}
	return nil
}

func levelsOf(l *imap.ListData) []string {
	if l.Delim == 0 {
		return []string{l.Mailbox}
	}
	return strings.Split(l.Mailbox, string(l.Delim))
}

func (s *IMAP) folder(l *imap.ListData) Folder {
	levels := levelsOf(l)
	if below := levelsBelowInbox(l); below != nil {
		levels = below // servers that keep all folders below the inbox mean no such thing
	}
	for i := range levels {
		levels[i] = levelName(levels[i])
	}
	name := s.names.add(strings.Join(levels, "/"), l.Mailbox)
	f := Folder{Name: name, Role: roleOf(name)}
	for _, a := range l.Attrs {
		if role, ok := specialUses[a]; ok {
			f.Role = role
		}
	}
	return f
}

// window is how many messages one FETCH asks for.
const window = 50

// Read fetches what is not known, in the order of the UIDs. Messages that vanish
// meanwhile are passed over.
func (s *IMAP) Read(ctx context.Context, f Folder, known func(string) bool, take func(Message) error) error {
	there, ok := s.names[f.Name]
	if !ok {
		return fmt.Errorf("%w: %q", ErrFolder, f.Name)
	}
	selected, err := s.client.Select(there, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || selected.NumMessages == 0 {
		return err
	}
	uids, err := s.uids()
	if err != nil {
		return err
	}
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return known(imapKey(selected.UIDValidity, uid)) })
	defer s.spool.reset()
	for some := range slices.Chunk(uids, window) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.fetch(imap.UIDSetNum(some...), selected.UIDValidity, take); err != nil {
			return err
		}
	}
	return nil
}

// imapKey names a message for as long as its server keeps UIDVALIDITY.
func imapKey(validity uint32, uid imap.UID) string { return fmt.Sprintf("%d.%d", validity, uid) }

func (s *IMAP) uids() ([]imap.UID, error) {
	var all imap.SeqSet
	all.AddRange(1, 0)
	messages, err := s.client.Fetch(all, &imap.FetchOptions{UID: true}).Collect()
	if err != nil {
		return nil, err
	}
	var uids []imap.UID
	for _, m := range messages {
		if m.UID != 0 {
			uids = append(uids, m.UID)
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

func (s *IMAP) fetch(set imap.UIDSet, validity uint32, take func(Message) error) error {
	c := s.client.Fetch(set, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	var failed error
	for {
		m := c.Next()
		if m == nil {
			break
		}
		if failed != nil {
			continue // Next passes over what is left of a message
		}
		failed = s.bring(m, validity, take)
	}
	return errors.Join(failed, c.Close())
}

// bring hands over one message, whose items come in any order.
func (s *IMAP) bring(m *imapclient.FetchMessageData, validity uint32, take func(Message) error) error {
	var msg Message
	var uid imap.UID
	read := false
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			uid = item.UID
		case imapclient.FetchItemDataFlags:
			msg.Flags, msg.Keywords = ourFlags(item.Flags)
		case imapclient.FetchItemDataInternalDate:
			msg.Received = item.Time
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if err := s.spool.fill(bufio.NewReaderSize(item.Literal, 64<<10)); err != nil {
				return err
			}
			read = true
		}
	}
	if !read || uid == 0 {
		return nil // another program changed its flags meanwhile, or it is gone
	}
	body, err := s.spool.open()
	if err != nil {
		return err
	}
	msg.Key, msg.Size, msg.Body = imapKey(validity, uid), s.spool.size, body
	return take(msg)
}

var systemFlags = map[imap.Flag]mailbox.Flags{
	imap.FlagSeen: mailbox.Seen, imap.FlagAnswered: mailbox.Answered, imap.FlagFlagged: mailbox.Flagged,
	imap.FlagDeleted: mailbox.Deleted, imap.FlagDraft: mailbox.Draft,
}

func ourFlags(theirs []imap.Flag) (flags mailbox.Flags, keywords []string) {
	for _, f := range theirs {
		switch flag, ok := systemFlags[f]; {
		case ok:
			flags |= flag
		case isKeyword(string(f)): // not \Recent and its like
			keywords = append(keywords, string(f))
		}
	}
	return flags, keywords
}
