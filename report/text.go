package report

import (
	"fmt"
	"strings"
	"time"
)

// text is the part for people, in CRLF lines.
func (d *DSN) text(r returned) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("This is the mail server %s.", printable(d.ReportingMTA, true))
	for _, action := range []Action{Failed, Delayed, Relayed, Expanded, Delivered} {
		d.textOf(line, action)
	}
	line("")
	line("The message:")
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID"} {
		if v := r.header.Text(name); v != "" {
			line("    %-11s %s", name+":", cut(printable(v, true), 300))
		}
	}
	if !d.Arrival.IsZero() {
		line("    %-11s %s", "Accepted:", d.Arrival.Format(time.RFC1123Z))
	}
	if d.Trace != "" {
		line("    %-11s %s", "Trace:", d.Trace)
	}
	line("")
	switch r.kind {
	case "message/rfc822", "message/global":
		line("The whole message is attached.")
	case "":
	default:
		line("Its header is attached.")
	}
	return b.String()
}

// textOf tells of all recipients of one fate.
func (d *DSN) textOf(line func(string, ...any), action Action) {
	first := true
	for i := range d.Recipients {
		r := &d.Recipients[i]
		if r.Action != action {
			continue
		}
		if first {
			first = false
			line("")
			line("%s", heading(action))
		}
		line("")
		line("    %s", addressText(r.Final))
		for _, s := range r.sentences() {
			line("        %s", s)
		}
	}
}

func heading(a Action) string {
	switch a {
	case Failed:
		return "Your message could not be delivered to:"
	case Delayed:
		return "Your message could not be delivered yet to the following address. You need not do anything: it is still being tried."
	case Relayed:
		return "Your message was handed over to a server that will not report whether it delivered it, for:"
	case Expanded:
		return "Your message was delivered to a list, which passes it on, for:"
	}
	return "Your message was delivered to:"
}

// sentences say what happened and what to do.
func (r *Recipient) sentences() []string {
	var s []string
	said := cut(printable(r.Diagnostic, true), maxDiagnostic)
	switch {
	case said == "":
	case r.isReply() && r.RemoteMTA != "":
		s = append(s, fmt.Sprintf("The server %s answered: %s", printable(r.RemoteMTA, true), said))
	default:
		s = append(s, "What happened: "+said)
	}
	if r.Action == Delayed && !r.RetryUntil.IsZero() {
		s = append(s, "It will be tried until "+r.RetryUntil.Format(time.RFC1123Z)+"; you will be told if it fails for good.")
	}
	if what := advice(r.Status); r.Action == Failed && what != "" {
		s = append(s, "What to do: "+what)
	}
	return s
}
