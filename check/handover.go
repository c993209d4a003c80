package check

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/authres"
	"github.com/allgreen-mail/allgreen/message"
)

// Handover is the SMTP session in which the judged message crossed the border of
// the receiver, as far as it is known: from options, else from the trace fields.
// Each part says where it comes from, "" when it is not known.
type Handover struct {
	IP              netip.Addr
	IPSource        string
	HELO            string
	HELOSource      string
	ReversePath     mail.Address // the zero value is the null reverse-path
	PathSource      string
	Received        *Received // the trace field of the border; nil without one
	Border          int       // its index among the fields of the header, -1 without one
	Hops            []Received
	AuthenticatedBy string // who confirms the address in Authentication-Results or Received-SPF
}

// maxHops bounds the trace fields that are read; RFC 5321 section 6.3 sees a loop
// beyond a hundred.
const maxHops = 100

// Handover finds out who handed the message over.
func (s *Subject) Handover(ctx context.Context) *Handover {
	return s.handover.get(ctx, struct{}{}, func(ctx context.Context) *Handover {
		h := &Handover{Border: -1}
		if sample := s.Message(ctx); sample.Err == nil {
			h.readTrace(s, sample.Header)
		}
		h.readOptions(s.Options)
		return h
	})
}

// readTrace finds the border among the trace fields and reads what stands there.
func (h *Handover) readTrace(s *Subject, header message.Header) {
	var at []int
	for i, f := range header.Fields {
		if f.Is("Received") && len(h.Hops) < maxHops {
			h.Hops = append(h.Hops, ParseReceived(f.Body()))
			at = append(at, i)
		}
	}
	wanted := s.Options.ClientIP.Unmap()
	if hop := borderOf(h.Hops, wanted, s.World.IsPublic); hop >= 0 {
		h.Border, h.Received = at[hop], &h.Hops[hop]
		h.IP, h.IPSource = h.Received.IP, "Received"
		h.HELO, h.HELOSource = h.Received.HELO, "Received"
		h.confirm(header)
	}
	h.readReversePath(header)
}

// borderOf is the hop at which the message came in from outside: the one from the
// wanted address, else the topmost from a public address of another organization,
// else the topmost from any public address. -1 when there is none.
func borderOf(hops []Received, wanted netip.Addr, isPublic func(netip.Addr) bool) int {
	public := -1
	for i, r := range hops {
		switch {
		case wanted.IsValid():
			if r.IP == wanted {
				return i
			}
		case !r.IP.IsValid() || !isPublic(r.IP):
		case !r.isInternal():
			return i
		case public < 0:
			public = i
		}
	}
	return public
}

// isInternal reports whether both ends of the hop belong to one organization, by
// the name that the receiver found for the address.
func (r Received) isInternal() bool {
	name, err := mail.ParseDomain(cmp.Or(r.Name, r.HELO))
	by, errBy := mail.ParseDomain(r.By)
	return err == nil && errBy == nil && name.Registrable() == by.Registrable()
}

// confirm looks above the border for a result of the same receiver about the same
// address: two witnesses instead of one.
func (h *Handover) confirm(header message.Header) {
	for _, f := range header.Fields[:h.Border] {
		if !f.Is(authres.Name) && !f.Is("Received-SPF") {
			continue
		}
		value := f.Value()
		if strings.Contains(value, h.IP.String()) {
			h.AuthenticatedBy = f.Name()
			return
		}
	}
}

// readReversePath takes the reverse-path from what the receiver noted at delivery.
// Below the border anybody may have written it.
func (h *Handover) readReversePath(header message.Header) {
	fields := header.Fields
	if h.Border >= 0 {
		fields = fields[:h.Border]
	}
	top := message.Header{Fields: fields}
	if f, ok := top.First("Return-Path"); ok && h.setPath(f.Value(), "Return-Path") {
		return
	}
	if h.Border < 0 {
		return
	}
	if h.Received.EnvelopeFrom != "" && h.setPath(h.Received.EnvelopeFrom, "Received") {
		return
	}
	for f := range top.All("Received-SPF") {
		if path, ok := valueBehind(strings.ReplaceAll(f.Value(), ";", " "), "envelope-from"); ok && h.setPath(path, "Received-SPF") {
			return
		}
	}
	for f := range top.All(authres.Name) {
		results, _ := authres.Parse(f.Body())
		for _, r := range results.Of("spf") {
			if path := r.Property("smtp", "mailfrom"); path != "" && h.setPath(path, authres.Name) {
				return
			}
		}
	}
}

// setPath takes a reverse-path in any of its spellings; a domain alone stands for
// its postmaster, as SPF has it.
func (h *Handover) setPath(text, source string) bool {
	a, err := parsePath(text)
	if err != nil {
		return false
	}
	h.ReversePath, h.PathSource = a, source
	return true
}

func parsePath(text string) (mail.Address, error) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if strings.HasPrefix(text, "<") {
		return mail.ParsePath(text)
	}
	if d, err := mail.ParseDomain(text); err == nil {
		return mail.Address{Local: "postmaster", Domain: d}, nil
	}
	return mail.ParseAddress(text)
}

// fromSession is the source of what the receiver saw itself.
const fromSession = "the session"

// readOptions lets the person who asks know better than the trace.
func (h *Handover) readOptions(o Options) {
	ip, helo, path := "--ip", "--helo", "--from"
	if o.Results != nil {
		ip, helo, path = fromSession, fromSession, fromSession
	}
	if o.ClientIP.IsValid() {
		h.IP, h.IPSource = o.ClientIP.Unmap().WithZone(""), ip
	}
	if o.ClientHELO != "" {
		h.HELO, h.HELOSource = o.ClientHELO, helo
	}
	if o.MailFrom != "" {
		h.setPath(o.MailFrom, path)
	}
}

// KnowsEnvelope reports whether SPF can be judged: the address and the
// reverse-path are known.
func (h *Handover) KnowsEnvelope() bool { return h.IPSource != "" && h.PathSource != "" }

// Trust says in words where the address comes from and how sure it is.
func (h *Handover) Trust() string {
	switch {
	case h.IPSource == "--ip":
		return "as given with --ip"
	case h.IPSource == fromSession:
		return "from the session"
	case h.IPSource == "":
		return "not known"
	case h.AuthenticatedBy != "":
		return fmt.Sprintf("from the Received field of %s, confirmed by %s", h.Received.By, h.AuthenticatedBy)
	}
	return fmt.Sprintf("from the Received field of %s, which nothing else confirms", cmp.Or(h.Received.By, "an unnamed receiver"))
}
