package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

func messageChecks() []Check {
	return []Check{
		messageForm, messageFields, messageLines, messageCharacters, messageHeaderSize, messageMIME,
		messageDate, messageMessageID,
		messageFrom, messageDisplayName, messageFromDomain, messageFromExists,
		messageChain, messagePath, messageTLS, messageARC,
		messageListHeaders, messageUnsubscribe, messageUnsubscribeSigned, messageUnsubscribeWorks, messageUnsubscribeLink,
		messageLinks, messageCousins,
	}
}

// ofMessage judges the message as a whole; only readable ones are, by messageForm.
func ofMessage(judge func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		f := judge(ctx, s, s.Message(ctx), finding.Finding{Subject: s.String()})
		if f.Code == "" {
			return nil
		}
		return one(f)
	}
}

// readable is what all other checks of a message need.
var readable = []string{"message.form"}

var messageForm = rule{About{
	ID:       "message.form",
	Question: "Can the message be read?",
	Why: "What has no header is no message, and a header without end is cut off or refused: servers take between 64 KB and 1 MB of it. " +
		"What then counts as header and what as body, each of them decides for itself.",
	Fix:   "Have the program that writes the message put the fields first, then one empty line, then the body.",
	Refs:  []string{"RFC 5322 2.1", "RFC 5321 4.5.3.1"},
	Rows:  []string{"OUT-RFC5322"},
	Who:   finding.ThisServer,
	Scope: Message,
	Codes: []Code{
		{"readable", finding.Green, "a header and a body"},
		{"empty", finding.Unknown, "there is no message"},
		{"no-header", finding.Red, "no header field at the beginning"},
		{"header-too-large", finding.Red, "the header is larger than anybody takes"},
		{"too-many-fields", finding.Red, "the header has thousands of fields"},
	},
}, ofMessage(func(_ context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "readable", fmt.Sprintf("the message has %d header fields and %d octets", len(m.Header.Fields), m.Form.Size)
	named := 0
	for _, field := range m.Header.Fields {
		if field.Name() != "" {
			named++
		}
	}
	switch {
	case len(s.Target.Raw) == 0:
		f.Code, f.Summary, f.Fix = "empty", "there is no message", "Use: allgreen check - < message.eml"
	case errors.Is(m.Err, message.ErrHeaderTooLarge):
		f.Code, f.Summary = "header-too-large", "the header cannot be read to its end: "+m.Err.Error()
	case named == 0:
		f.Code, f.Summary = "no-header", "the message does not begin with a header"
		f.Evidence = []string{fmt.Sprintf("it begins with %.60q", s.Target.Raw)}
	case has(m.Header.Problems, message.TooManyFields):
		f.Code, f.Summary = "too-many-fields", fmt.Sprintf("the header has more than %d fields", len(m.Header.Fields))
	}
	return f
})}

func has(problems []message.Problem, code message.Code) bool {
	for _, p := range problems {
		if p.Code == code {
			return true
		}
	}
	return false
}

// maxShown bounds the problems shown as evidence of one finding.
const maxShown = 8

// problemEvidence is the problems as lines of proof.
func problemEvidence(problems []message.Problem) []string {
	var lines []string
	for _, p := range problems[:min(len(problems), maxShown)] {
		lines = append(lines, p.String())
	}
	if more := len(problems) - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

var messageFields = rule{About{
	ID:       "message.fields",
	Question: "Does each header field stand once, and can it be read?",
	Why: "A second Subject or To lets the one program show what the other has not checked; Google refuses messages with doubled fields " +
		"(5.7.1, \"multiple\"), and filters count malformed ones as the mark of spam software.",
	Fix:     "Let one program write each field, once. Remove what stands twice, and give each line a name, a colon and a value.",
	Refs:    []string{"RFC 5322 3.6", "RFC 5322 2.2"},
	Rows:    []string{"OUT-RFC5322"},
	Affects: []string{"google", "yahoo", "outlook"},
	Who:     finding.ThisServer,
	Scope:   Message,
	Needs:   readable,
	Codes: []Code{
		{"right", finding.Green, "every field stands once and can be read"},
		{"twice", finding.Red, "a field that may stand once stands twice"},
		{"malformed", finding.Red, "a line of the header is no field, or a field cannot be read"},
		{"odd", finding.Yellow, "obsolete spellings, which some take for something else"},
		{"no-recipient", finding.Yellow, "neither To nor Cc"},
		{"no-subject", finding.Yellow, "no Subject"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	byCode := map[string][]message.Problem{}
	for _, p := range m.Header.Check() {
		code := fieldCode(p)
		byCode[code] = append(byCode[code], p)
	}
	f.Code, f.Summary = "right", "every header field stands once and can be read"
	for _, code := range []string{"twice", "malformed", "odd"} {
		if problems := byCode[code]; len(problems) > 0 {
			f.Code, f.Summary, f.Evidence = code, "the header is not in order: "+problems[0].String(), problemEvidence(problems)
			return f
		}
	}
	switch {
	case !m.Header.Has("To") && !m.Header.Has("Cc"):
		f.Code, f.Summary = "no-recipient", "the message says neither To nor Cc whom it is for"
	case !m.Header.Has("Subject"):
		f.Code, f.Summary = "no-subject", "the message has no Subject"
	}
	return f
})}

// fieldCode sorts a problem of the header; "" belongs to a check of its own.
func fieldCode(p message.Problem) string {
	switch strings.ToLower(p.Field) {
	case "from", "date":
		return ""
	case "message-id":
		if p.Code != message.Duplicate {
			return ""
		}
	}
	switch p.Code {
	case message.Duplicate:
		return "twice"
	case message.NotAField, message.LeadingFold, message.Unreadable, message.Missing:
		return "malformed"
	case message.SpaceInName, message.BlankFold:
		return "odd"
	}
	return "" // the mbox line belongs to the file; octets have their own check
}

var messageLines = rule{About{
	ID:       "message.lines",
	Question: "Do the lines end in CRLF, within 998 octets, without NUL?",
	Why: "Bare CR and LF are how messages are smuggled through servers that disagree about where a line ends; Google, Microsoft, Postfix and " +
		"Exim refuse them. Longer lines are cut by whoever passes the message on, which breaks the signature.",
	Fix:     "Let the program encode its text as quoted-printable or base64, and end lines as the library for sending mail does.",
	Refs:    []string{"RFC 5321 2.3.8", "RFC 5322 2.1.1", "RFC 5321 4.5.3.1.6"},
	Rows:    []string{"OUT-RFC5322"},
	Affects: []string{"google", "outlook", "microsoft365", "gmx"},
	Who:     finding.ThisServer,
	Scope:   Message,
	Codes: []Code{
		{"right", finding.Green, "lines as SMTP wants them"},
		{"bare", finding.Red, "CR or LF stands alone"},
		{"long", finding.Red, "a line of more than 998 octets"},
		{"nul", finding.Red, "an octet zero"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", fmt.Sprintf("%d lines, the longest of %d octets", m.Form.Lines, m.Form.LongestLine)
	problems := m.Form.Problems()
	f.Evidence = problemEvidence(problems)
	switch {
	case m.Form.Size == 0:
		return finding.Finding{}
	case has(problems, message.BareCR), has(problems, message.BareLF):
		f.Code, f.Summary = "bare", "the message has line ends that are none: CR or LF alone"
	case has(problems, message.NUL):
		f.Code, f.Summary = "nul", "the message has octets of zero"
	case has(problems, message.LongLine):
		f.Code, f.Summary = "long", fmt.Sprintf("%d lines are longer than 998 octets, the longest has %d", m.Form.LongLines, m.Form.LongestLine)
	}
	return f
})}

var messageCharacters = rule{About{
	ID:       "message.characters",
	Question: "Is everything beyond ASCII encoded, or declared?",
	Why: "Raw octets above 127 in a header are guessed at, differently by each program, and only servers with SMTPUTF8 may be given them; " +
		"in the body they need 8BITMIME and a declared encoding. Filters count both as the mark of bad software.",
	Fix:   "Write header text as encoded words (RFC 2047), and declare the body as 8bit, quoted-printable or base64.",
	Refs:  []string{"RFC 2047", "RFC 6532 3", "RFC 2045 6.2"},
	Rows:  []string{"OUT-RFC5322"},
	Who:   finding.ThisServer,
	Scope: Message,
	Needs: readable,
	Codes: []Code{
		{"right", finding.Green, "nothing beyond ASCII that is not encoded or declared"},
		{"not-utf8", finding.Red, "raw octets in the header that are no UTF-8"},
		{"needs-smtputf8", finding.Yellow, "raw UTF-8 in the header: only servers with SMTPUTF8 can take it"},
		{"undeclared", finding.Yellow, "octets above 127 in a body that is declared 7bit"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", "everything beyond ASCII is encoded or declared"
	r := s.Handover(ctx).Received
	switch {
	case has(m.Header.Check(), message.EightBitHeader):
		f.Code, f.Summary = "not-utf8", fmt.Sprintf("the header has %d octets above 127, some of them no UTF-8", m.Form.HeaderEight)
	case m.Form.HeaderEight > 0 && (r == nil || !r.NeedsUTF8()):
		f.Code, f.Summary = "needs-smtputf8", fmt.Sprintf("the header has %d octets above 127", m.Form.HeaderEight)
	case m.Form.EightBit > 0 && m.Encoding == "7bit" && !strings.HasPrefix(strings.ToLower(m.Header.Value("Content-Type")), "multipart/"):
		f.Code, f.Summary = "undeclared", fmt.Sprintf("the body has %d octets above 127 and is declared 7bit", m.Form.EightBit)
	}
	return f
})}

// Sizes of a header: the first is roomy for what a sender writes, beyond the
// second servers begin to refuse.
const (
	roomyHeader = 10 << 10
	hugeHeader  = 64 << 10
)

var messageHeaderSize = rule{About{
	ID:       "message.header-size",
	Question: "Is the header of a modest size?",
	Why: "Each server on the way adds to it, and each has a limit. A long list of recipients, references or tracking fields gets a message " +
		"refused where nobody expects it.",
	Fix:   "Send to many by many envelopes, not by many addresses in To; cut References; keep private data out of the header.",
	Refs:  []string{"RFC 5322 2.1.1", "RFC 5321 4.5.3.1"},
	Rows:  []string{"OUT-RFC5322"},
	Who:   finding.ThisServer,
	Scope: Message,
	Needs: readable,
	Codes: []Code{
		{"modest", finding.Green, "at most 10 KB"},
		{"large", finding.Yellow, "more than 10 KB"},
		{"huge", finding.Red, "more than 64 KB"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	// What the receiver added above the border is not the sender's.
	size := 0
	for _, field := range m.Header.Fields[s.Handover(ctx).Border+1:] {
		size += len(field.Raw())
	}
	f.Code, f.Summary = "modest", fmt.Sprintf("the sender's part of the header has %d octets", size)
	switch {
	case size > hugeHeader:
		f.Code = "huge"
	case size > roomyHeader:
		f.Code = "large"
	}
	return f
})}

var messageMIME = rule{About{
	ID:       "message.mime",
	Question: "Is the MIME structure sound?",
	Why: "A multipart without its boundary, a transfer encoding nobody knows, nesting without end: programs show different parts of such a " +
		"message, so filters distrust it, and attachments are lost.",
	Fix:   "Build messages with a MIME library, not from strings; declare the charset that is really used.",
	Refs:  []string{"RFC 2045 5", "RFC 2045 6", "RFC 2046 5.1"},
	Rows:  []string{"OUT-RFC5322"},
	Who:   finding.ThisServer,
	Scope: Message,
	Needs: readable,
	Codes: []Code{
		{"sound", finding.Green, "the parts can be told apart and decoded"},
		{"broken", finding.Red, "parts cannot be told apart, or are nested without end"},
		{"garbled", finding.Yellow, "a part breaks its own encoding, or has one nobody knows"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "sound", "the MIME structure is sound"
	for _, p := range m.MIME {
		switch p.Code {
		case message.Unclosed:
			if m.Partial {
				continue // its end lies behind what was read
			}
			f.Code = "broken"
		case message.NoBoundary, message.TooDeep, message.TooManyParts:
			f.Code = "broken"
		default:
			if f.Code == "sound" {
				f.Code = "garbled"
			}
		}
	}
	if f.Code != "sound" {
		f.Summary, f.Evidence = "the MIME structure is not sound: "+m.MIME[0].String(), problemEvidence(m.MIME)
	}
	return f
})}

// dateSlack is how far Date may lie from the time of receipt: clocks differ, and
// queues are slow.
const dateSlack = 24 * time.Hour

var messageDate = rule{About{
	ID:       "message.date",
	Question: "Is the Date right?",
	Why: "A Date in the future or long past is the mark of spam that wants to stand on top; filters score it, and mailboxes sort the message " +
		"where nobody sees it.",
	Fix:   "Set the clock of the sending machine (NTP), and write the Date when the message is sent.",
	Refs:  []string{"RFC 5322 3.3", "RFC 5322 3.6.1"},
	Rows:  []string{"OUT-RFC5322"},
	Who:   finding.ThisServer,
	Scope: Message,
	Needs: readable,
	Codes: []Code{
		{"right", finding.Green, "within a day of the time of receipt"},
		{"missing", finding.Red, "no Date"},
		{"twice", finding.Red, "more than one Date"},
		{"malformed", finding.Red, "the Date cannot be read"},
		{"future", finding.Red, "more than a day ahead"},
		{"past", finding.Red, "more than a day behind"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	date, err := m.Header.Date()
	f.Evidence = fieldEvidence(m.Header, "Date")
	at, by := s.World.Now(), "now"
	// An old sample is judged by the time at which its receiver took it.
	if r := s.Handover(ctx).Received; r != nil && !r.Time.IsZero() && r.Time.Before(at) {
		at, by = r.Time, "its receipt"
	}
	off := date.Sub(at).Round(time.Minute)
	switch {
	case errors.Is(err, message.ErrNoField):
		f.Code, f.Summary = "missing", "the message has no Date"
	case m.Header.Count("Date") > 1:
		f.Code, f.Summary = "twice", "the message has more than one Date"
	case err != nil:
		f.Code, f.Summary = "malformed", "the Date cannot be read"
	case off > dateSlack:
		f.Code, f.Summary = "future", fmt.Sprintf("the Date lies %s ahead of %s", off, by)
	case off < -dateSlack:
		f.Code, f.Summary = "past", fmt.Sprintf("the Date lies %s behind %s", -off, by)
	default:
		f.Code, f.Summary, f.Evidence = "right", "the Date is right", nil
	}
	return f
})}

// fieldEvidence is the fields of a name as they came, a line each.
func fieldEvidence(h message.Header, names ...string) []string {
	var lines []string
	for _, name := range names {
		for f := range h.All(name) {
			if len(lines) < maxShown {
				lines = append(lines, fmt.Sprintf("%s: %.200q", f.Name(), f.Value()))
			}
		}
	}
	return lines
}

var messageMessageID = rule{About{
	ID:       "message.message-id",
	Question: "Does the message have a Message-ID of a real domain?",
	Why: "Google refuses messages without one (5.7.1), and filters score one that ends in localhost or an address: it shows a script, not a " +
		"mail system. Replies and threads hang on it too.",
	Fix:     "Have the sending program write Message-ID: <random@your.domain>, with a name that is yours on the right.",
	Refs:    []string{"RFC 5322 3.6.4"},
	Rows:    []string{"OUT-MSGID"},
	Affects: []string{"google", "gmx"},
	Who:     finding.ThisServer,
	Scope:   Message,
	Needs:   readable,
	Codes: []Code{
		{"right", finding.Green, "a Message-ID with a full domain name"},
		{"missing", finding.Red, "no Message-ID"},
		{"malformed", finding.Red, "the Message-ID cannot be read"},
		{"local", finding.Red, "the right side is no full domain name"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	id, err := m.Header.MessageID()
	f.Evidence = fieldEvidence(m.Header, "Message-ID")
	if author, ok := m.Author(); ok {
		f.Fix = fmt.Sprintf("Have the sending program write a Message-ID of its own for each message, such as <random@%s>.", author.Address.Domain)
	}
	switch {
	case errors.Is(err, message.ErrNoField):
		f.Code, f.Summary = "missing", "the message has no Message-ID"
		return f
	case err != nil:
		f.Code, f.Summary = "malformed", "the Message-ID cannot be read: "+err.Error()
		return f
	}
	right := id[strings.LastIndexByte(id, '@')+1:]
	d, err := mail.ParseDomain(right)
	if code, _ := judgeHELOName(right); err != nil || code != "host-name" {
		f.Code, f.Summary = "local", fmt.Sprintf("the Message-ID ends in %.80q, which is no full domain name", right)
		return f
	}
	f.Code, f.Summary = "right", "the Message-ID is of "+d.String()
	f.Evidence, f.Fix = nil, ""
	return f
})}
