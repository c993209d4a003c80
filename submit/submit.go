package submit

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Keys is what is needed of package identity: who signs for a domain.
type Keys interface {
	Signers(d mail.Domain) ([]*dkim.Signer, error)
}

// Options are what a Submitter is made of. Store, Accounts, Keys, Accept, Queue and
// World must be set.
type Options struct {
	Store    *store.Store
	Accounts *account.Directory
	Keys     Keys
	Accept   *accept.Acceptor
	Queue    *queue.Queue
	World    *world.World
	Hostname mail.Domain // in Received
	MaxSize  int64       // octets of a message; zero: 50 MiB
	Watch    *Watch      // nil: DefaultWatch

	// Gate may hold the part of a message that is for elsewhere, for what is known of our
	// own domains: it gives the reason, "" to let it go. Nil: none does.
	Gate func(ctx context.Context, m *Submission, trace mail.TraceID) string
	// Unsubscribe is the https link by which a recipient leaves the stream of a bulk token.
	// Nil: mail of such tokens is refused.
	Unsubscribe func(stream string, to mail.Address) string
	// Alert tells a person that a sender's mail was held. Nil: log and journal only.
	Alert func(ctx context.Context, a Alert)
	Log   *slog.Logger // nil: nowhere

	Limits policy.Limits // of connections to the listeners for logins; zero: as on port 25
}

// Submitter is the one way out. It is safe for concurrent use.
type Submitter struct {
	o        Options
	store    *store.Store
	accounts *account.Directory
	world    *world.World
	watch    Watch
	ledger   *ledger
	crowd    *policy.Crowd
	log      *slog.Logger
}

// New makes a Submitter.
func New(o Options) *Submitter {
	o.MaxSize = cmp.Or(o.MaxSize, 50<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Submitter{o: o, store: o.Store, accounts: o.Accounts, world: o.World, log: o.Log, ledger: newLedger(o.Store), crowd: policy.NewCrowd(o.Limits)}
	if o.Watch != nil {
		s.watch = *o.Watch
	} else {
		s.watch = DefaultWatch()
	}
	return s
}

// Submission is one message that one of ours hands in.
type Submission struct {
	Principal account.Principal
	Protocol  string            // "with" of Received: ESMTPSA, HTTP, local
	Client    netip.Addr        // where it came from; zero: from this machine
	From      mail.Address      // the reverse-path; zero: null
	To        []queue.Recipient // at least one, here or elsewhere
	Body      io.Reader         // header and body in CRLF lines, or anything with Mend
	Mend      bool              // set right what can be: for devices, sendmail and the API
	FromName  string            // for a From that is added
	Answer    bool              // its recipients wrote first: that they are strangers says nothing of its sender
	FromTo    bool              // To, Cc and Bcc name recipients too, as in sendmail -t

	EnvelopeID string // ENVID
	Return     string // RET
	RequireTLS bool   // RFC 8689
	SMTPUTF8   bool   // said in MAIL

	Key    string // the same key again within a day is the same message; "": every one is new
	Digest string // of the request, for a Body that is another each time; "": Body and envelope are hashed
}

// ErrKeyReused says that an idempotency key came with another request before.
var ErrKeyReused = errors.New("the idempotency key was used for another message")

// keepRequests is how long idempotency keys are kept.
const keepRequests = 24 * time.Hour

// Submit judges, completes, signs, stores. When it returns without an error the
// message will not be lost: it is in the mailboxes here and in the queue for
// elsewhere. An error that is a mail.Reply is for the client; any other is ours,
// and another try may succeed.
func (s *Submitter) Submit(ctx context.Context, m Submission) (mail.TraceID, error) {
	if m.Principal.Kind == account.Nobody {
		return "", refusal(loginFirst, "Nobody may send without a login")
	}
	l := &letter{Submission: m, now: s.world.Now()}
	if m.Key != "" {
		l.identify()
		if id, err := s.answered(ctx, l); id != "" || err != nil {
			return id, err
		}
	}
	l.trace = mail.NewTraceID(l.now)
	err := s.send(ctx, l)
	if errors.Is(err, errAnswered) {
		return s.answered(ctx, l) // another request with this key was faster
	}
	if err != nil {
		s.logRefusal(ctx, l, err)
		return "", err
	}
	if len(l.pinned) > 0 {
		s.log.Info("the sender may write as one address only, which was put in", "trace", l.trace, "as", l.Principal.Name, "from", l.From, "replaced", l.pinned)
	}
	return l.trace, nil
}

// letter is one submission on its way through.
type letter struct {
	Submission
	now     time.Time
	trace   mail.TraceID
	header  message.Header
	form    message.Form
	local   []accept.Delivery
	remote  []queue.Recipient
	charge  *charge
	why     string    // it is held, one sentence; "": it is not
	gated   string    // its part for elsewhere is held by the gate, one sentence
	tripped bool      // it is what made its sender suspect
	pinned  []string  // what it called itself, and may not: name and address in turn
	request hash.Hash // of the request so far; nil: Digest is known
}

func (s *Submitter) send(ctx context.Context, l *letter) error {
	if l.Mend {
		if err := s.qualify(ctx, l); err != nil {
			return err
		}
	}
	if isPinned(&l.Principal) && !l.From.IsZero() {
		l.notePinned("envelope-from", l.From.String(), l.Principal.Senders[0].Address)
		l.From = l.Principal.Senders[0].Address
	}
	if err := s.checkReversePath(ctx, &l.Principal, l.From); err != nil {
		return err
	}
	if err := l.checkReports(); err != nil {
		return err
	}
	spool := s.store.NewSpool()
	defer func() { spool.Close() }()
	if err := s.read(ctx, l, &spool); err != nil {
		return err
	}
	if err := s.part(ctx, l); err != nil {
		return err
	}
	if s.o.Gate != nil && len(l.remote) > 0 {
		l.gated = s.o.Gate(ctx, &l.Submission, l.trace)
	}
	if err := s.weigh(ctx, l); err != nil {
		return err
	}
	err := s.commit(ctx, l, spool)
	l.charge.settle(err == nil)
	if err == nil && l.tripped {
		s.hold(ctx, l.Principal.Name, l.trace, l.why)
	}
	return err
}

// read takes the message in: header judged and completed, body spooled, both
// signed. A body that is written anew gets another spool.
func (s *Submitter) read(ctx context.Context, l *letter, spool **store.Spool) error {
	body := l.Body
	if l.Mend {
		body = Text(body)
	}
	in := bufio.NewReaderSize(body, 16<<10)
	raw, err := message.ReadHeader(in, message.Limits{})
	if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) {
		return fmt.Errorf("read the header: %w", err)
	}
	if l.Mend {
		if raw, err = s.qualifyHeader(ctx, raw); err != nil {
			return err
		}
	}
	if l.FromTo {
		if err := l.addRecipients(raw); err != nil {
			return err
		}
	}
	if err := s.checkBulk(ctx, l); err != nil {
		return err
	}
	if l.header, err = s.completion(l).complete(raw); err != nil {
		return err
	}
	s.offerUnsubscribe(l)
	if isPinned(&l.Principal) {
		if boxes, err := raw.From(); err == nil && len(boxes) > 0 {
			l.notePinned("header-from", boxes[0].Address.String(), l.Principal.Senders[0].Address)
		}
	}
	if err := s.checkHeader(ctx, &l.Principal, l.header); err != nil {
		return err
	}
	signing, err := s.signing(l)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(*spool, &l.form, signing), io.LimitReader(in, s.o.MaxSize-int64(raw.Size)+1))
	if err != nil {
		return err
	}
	if n+int64(raw.Size) > s.o.MaxSize {
		return refusal(tooLarge, "The message is larger than %d octets", s.o.MaxSize)
	}
	_ = l.form.Close()
	if l.hasLongText() {
		long := *spool
		*spool = s.store.NewSpool()
		defer long.Close()
		if signing, err = s.shorten(l, long, *spool); err != nil {
			return fmt.Errorf("break long lines: %w", err)
		}
		_ = l.form.Close()
	}
	return s.finish(l, signing, *spool)
}

func (s *Submitter) completion(l *letter) *completion {
	c := &completion{now: l.now, trace: l.trace, host: s.o.Hostname, mend: l.Mend, utf8: l.SMTPUTF8}
	if l.Mend {
		c.author = message.Mailbox{Name: l.FromName, Address: DefaultFrom(l.Principal)}
	}
	c.pinned = isPinned(&l.Principal)
	return c
}

// isPinned reports whether a device has one address and no choice.
func isPinned(p *account.Principal) bool {
	return p.Kind == account.Appliance && len(p.Senders) == 1 && p.Senders[0].Domain.IsZero()
}

// notePinned remembers an address that was replaced by the only one its sender may use.
func (l *letter) notePinned(where, said string, instead mail.Address) {
	if said != "" && said != instead.String() {
		l.pinned = append(l.pinned, where, said)
	}
}

// addRecipients takes those that the header names.
func (l *letter) addRecipients(h message.Header) error {
	for _, name := range []string{"To", "Cc", "Bcc"} {
		boxes, err := h.Addresses(name)
		if err != nil && h.Has(name) && !(name == "Bcc" && len(boxes) == 0 && strings.TrimSpace(h.Value(name)) == "") {
			return refusal(formError, "The %s field cannot be read: %v", name, err)
		}
		for _, m := range boxes {
			l.To = append(l.To, queue.Recipient{To: m.Address})
		}
	}
	return nil
}

// signing begins the signatures of all the authors' domains.
func (s *Submitter) signing(l *letter) (*dkim.Signing, error) {
	var signers []*dkim.Signer
	for _, d := range domainsOf(l.header) {
		some, err := s.o.Keys.Signers(d)
		if err != nil {
			return nil, fmt.Errorf("keys of %s: %w", d, err)
		}
		signers = append(signers, some...)
	}
	return dkim.NewSigning(l.header, signers...)
}

// finish puts the whole head in front of the body.
func (s *Submitter) finish(l *letter, signing *dkim.Signing, spool *store.Spool) error {
	if l.Mend {
		setMIME(&l.header, l.bodyEight())
		signing.SetHeader(l.header)
	}
	signatures, err := signing.Fields(l.now)
	if err != nil {
		return fmt.Errorf("sign the message: %w", err)
	}
	var head strings.Builder
	head.Grow(4096)
	head.WriteString(s.trail(l))
	for _, f := range signatures {
		head.WriteString(f)
	}
	for _, f := range l.header.Fields {
		head.WriteString(f.Raw())
	}
	head.WriteString("\r\n")
	l.SMTPUTF8 = l.needsUTF8() || l.From.NeedsSMTPUTF8() || slices.ContainsFunc(l.To, func(r queue.Recipient) bool { return r.To.NeedsSMTPUTF8() })
	spool.SetHead([]byte(head.String()))
	return nil
}

// needsUTF8 reports whether only servers with SMTPUTF8 can have the header: an address
// in it is in UTF-8, or whoever asked for SMTPUTF8 wrote it so. Other octets over 127 that
// a program left in a field are its mistake, which every server bears.
func (l *letter) needsUTF8() bool {
	return slices.ContainsFunc(l.header.Fields, func(f message.Field) bool {
		return !isASCII(f.Raw()) && (l.SMTPUTF8 || isAddressField(f))
	})
}

// trail is our Received field. It has no from clause: where people and devices sit
// is nobody's business elsewhere, and it stands in our log. It names no recipient
// either, who may be blind.
func (s *Submitter) trail(l *letter) string {
	return fmt.Sprintf("Received: by %s with %s\r\n id %s; %s\r\n",
		s.o.Hostname, cmp.Or(l.Protocol, "local"), l.trace, l.now.Format(time.RFC1123Z))
}

// part parts the recipients into ours and others.
func (s *Submitter) part(ctx context.Context, l *letter) error {
	seen := make(map[mail.Address]bool, len(l.To))
	for _, r := range l.To {
		if seen[r.To] {
			continue
		}
		seen[r.To] = true
		d, local, err := s.destination(ctx, &l.Principal, r.To, true)
		switch {
		case err != nil:
			return err
		case local:
			l.local = append(l.local, accept.Delivery{To: r.To, Destination: d})
		default:
			l.remote = append(l.remote, r)
		}
	}
	if len(seen) == 0 {
		return refusal(nobody, "The message is for nobody")
	}
	return nil
}

// destination says where a recipient is. The error is for the client.
func (s *Submitter) destination(ctx context.Context, p *account.Principal, to mail.Address, utf8 bool) (d account.Destination, local bool, err error) {
	if to.NeedsSMTPUTF8() && !utf8 {
		return d, false, refusal(needsUTF8, "%s needs SMTPUTF8", to)
	}
	d, err = s.resolve(ctx, to)
	switch {
	case errors.Is(err, account.ErrNotLocal) && p.LocalOnly:
		return d, false, refusal(localOnly, "%s may only write to addresses of this server", p.Name)
	case errors.Is(err, account.ErrNotLocal):
		// Those of a header may be addresses that no server could be told.
		if err := to.Check(); err != nil {
			return d, false, refusal(badRcpt, "%v", err)
		}
		return d, false, nil
	case errors.Is(err, account.ErrNoMailbox):
		return d, false, refusal(unknownUser, "%s does not exist here", to)
	case err != nil:
		return d, false, fmt.Errorf("look up %s: %w", to, err)
	}
	return d, true, nil
}

// commit stores the message, what it counts, and its idempotency key, all or
// nothing.
func (s *Submitter) commit(ctx context.Context, l *letter, spool *store.Spool) error {
	report, done, err := s.reportSuccess(ctx, l, spool)
	defer done()
	if err != nil {
		return err
	}
	m := accept.Message{
		Trace: l.trace, Spool: spool, From: l.From, Received: l.now, Deliveries: l.local,
		Remote: queue.Message{
			Origin: l.Principal.Name, Owner: int64(cmp.Or(l.Principal.Owner, l.Principal.Account)), EnvelopeID: l.EnvelopeID, Return: l.Return,
			RequireTLS: l.RequireTLS, SMTPUTF8: l.SMTPUTF8, EightBit: l.eightBit(),
			Held: l.why != "" || l.gated != "", HeldWhy: cmp.Or(l.why, l.gated), Recipients: l.remote,
		},
		Events: l.events(),
		Also: func(tx *store.Tx) error {
			if err := l.remember(tx); err != nil {
				return err
			}
			if report != nil {
				if err := report(tx); err != nil {
					return err
				}
			}
			return l.charge.write(tx)
		},
	}
	err = s.o.Accept.Commit(ctx, m)
	if err != nil && !errors.Is(err, errAnswered) {
		if r := accept.Answer(err); r.Enhanced.Detail != 0 {
			return fmt.Errorf("%w: %w", r, err)
		}
	}
	return err
}

func (l *letter) events() []journal.Event {
	all := []journal.Event{l.event()}
	if why := cmp.Or(l.why, l.gated); why != "" && len(l.remote) > 0 {
		all = append(all, journal.Event{Kind: journal.Held, From: l.From.String(), Fields: map[string]string{"reason": why}})
	}
	return all
}

func (l *letter) event() journal.Event {
	fields := map[string]string{"as": l.Principal.Name, "with": l.Protocol, "recipients": fmt.Sprint(len(l.local) + len(l.remote))}
	if l.Client.IsValid() {
		fields["client"] = l.Client.String()
	}
	if id, err := l.header.MessageID(); err == nil {
		fields["message-id"] = id
	}
	for i := 0; i < len(l.pinned); i += 2 {
		fields["replaced-"+l.pinned[i]] = l.pinned[i+1]
	}
	return journal.Event{Kind: journal.Submitted, From: l.From.String(), Fields: fields}
}

func (s *Submitter) logRefusal(ctx context.Context, l *letter, err error) {
	e := refusalEvent(replyTo(err), l.Principal.Name, l.From.String(), "", l.Client)
	e.Trace = l.trace
	if len(l.To) == 1 {
		e.To = l.To[0].To.String()
	}
	s.note(ctx, l.Client, e)
	s.log.Info("submission refused", "trace", l.trace, "as", l.Principal.Name, "from", l.From.String(), "client", l.Client, "err", err)
}

// eightBit reports whether the message needs 8BITMIME.
func (l *letter) eightBit() bool {
	return l.bodyEight() || slices.ContainsFunc(l.header.Fields, func(f message.Field) bool { return !isASCII(f.Raw()) })
}

// bodyEight reports octets over 127 in the body. The form saw nothing else, and takes its
// first lines for a header.
func (l *letter) bodyEight() bool { return l.form.EightBit+l.form.HeaderEight > 0 }
