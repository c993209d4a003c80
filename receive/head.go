package receive

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/policy"
)

// head is what goes in front of a message: what is known only after the body.
func (s *session) head(v policy.Verdict) []byte {
	b := make([]byte, 0, 1024)
	if s.isFinal() {
		// RFC 5321 section 4.4: only who delivers writes it, not who passes on.
		b = append(b, "Return-Path: "+s.state.ReversePath.Path()+"\r\n"...)
	}
	for _, mark := range s.r.policy.LoopMarks(s.state.Recipients) {
		b = append(b, policy.DeliveredTo+": "+mark.String()+"\r\n"...)
	}
	b = s.appendReceived(b)
	if !s.front {
		b = append(b, s.state.Results.Field().Folded()...)
		b = appendVerdict(b, v)
	}
	return b
}

// isFinal reports whether the message ends in a mailbox.
func (s *session) isFinal() bool {
	for i := range s.state.Recipients {
		if r := &s.state.Recipients[i]; len(r.Destination.Mailboxes) > 0 || r.Test {
			return true
		}
	}
	return false
}

// appendReceived is the time stamp line of RFC 5321 section 4.4. The recipient is
// named where there is one only: others are nobody's business.
func (s *session) appendReceived(b []byte) []byte {
	peer := &s.state.Peer
	b = append(b, "Received: from "...)
	b = append(b, clean(peer.HELO)...)
	if s.state.IP.IsValid() {
		b = append(b, " ("...)
		if name := s.state.Results.IPRev.Name; name != "" {
			b = append(b, clean(name.Text())+" "...)
		}
		b = append(b, literal(s.state.IP)+")"...)
	}
	b = append(b, "\r\n\tby "+s.r.o.Hostname.String()+" with "+peer.Via(false, s.options.SMTPUTF8)...)
	if peer.TLS != nil {
		b = append(b, " ("+tls.VersionName(peer.TLS.Version)+" "+tls.CipherSuiteName(peer.TLS.CipherSuite)+")"...)
	}
	b = append(b, " id "+string(s.trace)...)
	if len(s.state.Recipients) == 1 && !s.state.Recipients[0].To.Domain.IsZero() {
		b = append(b, "\r\n\tfor "+s.state.Recipients[0].To.Path()...)
	}
	b = append(b, ";\r\n\t"...)
	b = s.state.Now.AppendFormat(b, "Mon, 2 Jan 2006 15:04:05 -0700")
	return append(b, "\r\n"...)
}

// appendVerdict shows people and their filters what was held against a message.
func appendVerdict(b []byte, v policy.Verdict) []byte {
	if v.Score == 0 && v.Action != policy.Junk {
		return b
	}
	word := "inbox"
	if v.Action == policy.Junk {
		word = "junk"
	}
	b = append(b, verdictField+": "+word+" score="+strconv.Itoa(v.Score)...)
	for part := range strings.SplitSeq(v.Detail, "; ") {
		b = append(b, "\r\n\t"+printable(part)...)
	}
	return append(b, "\r\n"...)
}

// clean is a HELO name that can stand in Received; "unknown" when there is none.
func clean(name string) string {
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;\"`, r) {
			return "unknown"
		}
	}
	if name == "" || len(name) > 255 {
		return "unknown"
	}
	return name
}

// printable is a text of strangers on one line of at most 200 octets.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 200)]
}

// literal is an address in brackets (RFC 5321 section 4.1.3).
func literal(ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return "[local]"
	case ip.Is6():
		return "[IPv6:" + ip.String() + "]"
	}
	return "[" + ip.String() + "]"
}
