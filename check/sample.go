package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/message"
)

// Sample is the message under judgement, read once and within bounds.
type Sample struct {
	Header   message.Header
	Form     message.Form      // the octets of the whole
	MIME     []message.Problem // of the structure
	Links    []message.Link    // of all text parts
	Encoding string            // Content-Transfer-Encoding of the whole
	Partial  bool              // the structure was read only up to a bound
	Err      error             // the header could not be read to its end: nothing else is known
}

// Bounds of what is read for structure and links. Signatures and octets are judged
// over the whole message.
const (
	maxStructure = 16 << 20
	maxLinks     = 2000
)

// Message is the message under judgement, taken apart.
func (s *Subject) Message(ctx context.Context) *Sample {
	return s.sample.get(ctx, struct{}{}, func(ctx context.Context) *Sample {
		return readSample(ctx, s.Target.Raw)
	})
}

func readSample(ctx context.Context, raw []byte) *Sample {
	p := &Sample{}
	_, _ = p.Form.Write(raw) // it never fails
	_ = p.Form.Close()
	m, err := message.Read(bytes.NewReader(raw), message.Limits{})
	p.Header, p.Err = m.Header, err
	if err != nil {
		return p
	}
	p.Partial = len(raw)-m.Header.Size > maxStructure
	m.Body = io.LimitReader(m.Body, maxStructure)
	p.MIME, _ = m.Walk(message.Limits{}, func(part *message.Part) error {
		if part.Depth == 0 {
			p.Encoding = part.Encoding
		}
		if ctx.Err() != nil {
			p.Partial = true
			return message.ErrStop
		}
		return p.takeLinks(part)
	})
	return p
}

// takeLinks gathers the links of a part; reading the content finds what is wrong
// with its encoding as well.
func (p *Sample) takeLinks(part *message.Part) error {
	if part.Disposition == "attachment" || len(p.Links) >= maxLinks {
		_, err := io.Copy(io.Discard, part.Content())
		return err
	}
	links, err := part.Links()
	p.Links = append(p.Links, links[:min(len(links), maxLinks-len(p.Links))]...)
	return err
}

// Bulk is what shows that the message went to many, "" when nothing does.
func (p *Sample) Bulk() string {
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"} {
		if p.Header.Has(name) {
			return name
		}
	}
	switch v := strings.ToLower(p.Header.Value("Precedence")); v {
	case "bulk", "list", "junk":
		return "Precedence: " + v
	}
	return ""
}

// title is what people call the target where its name says nothing.
func (s *Subject) title(ctx context.Context) string {
	if s.Target.Kind != Message {
		return ""
	}
	if author, ok := s.Message(ctx).Author(); ok {
		return fmt.Sprintf("mail from %.100s", author.Address)
	}
	return "mail of unknown origin"
}

// Author is the one mailbox of the From field; false when there is not exactly one.
func (p *Sample) Author() (message.Mailbox, bool) {
	from, err := p.Header.From()
	if err != nil || len(from) != 1 || from[0].Address.Domain.IsZero() {
		return message.Mailbox{}, false
	}
	return from[0], true
}

// authorDomain is the one domain that From claims, by the rules of DMARC; zero when
// no single one can be told.
func (s *Subject) authorDomain(ctx context.Context) mail.Domain {
	return s.Authentication(ctx).DMARC.Author
}

// Authentication is what SPF, DKIM, DMARC, ARC and the reverse DNS of the client
// say about the message. SPF of the reverse-path counts only where
// Handover.KnowsEnvelope.
func (s *Subject) Authentication(ctx context.Context) *mailauth.Results {
	return s.authentication.get(ctx, struct{}{}, func(ctx context.Context) *mailauth.Results {
		if s.Message(ctx).Err != nil {
			return &mailauth.Results{}
		}
		if s.Options.Results != nil {
			return s.Options.Results
		}
		h := s.Handover(ctx)
		e := mailauth.Envelope{IP: h.IP, HELO: h.HELO, ReversePath: h.ReversePath}
		if h.Received != nil {
			e.Receiver = h.Received.By
		}
		if h.PathSource == "" {
			// Nothing is not the null reverse-path: without a name nothing is
			// evaluated in its place.
			e.HELO = ""
		}
		m, err := message.Read(bytes.NewReader(s.Target.Raw), message.Limits{})
		if err != nil {
			return &mailauth.Results{}
		}
		r, _ := mailauth.Verify(ctx, s.World, e, m) // memory does not fail to be read
		return &r
	})
}
