package accept

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
)

// letter is the message as scripts see it, read when the first one asks.
type letter struct {
	spool  *store.Spool
	header message.Header
	read   bool
}

// headerOf is the whole header, with the trace fields that were put in front.
func (l *letter) headerOf() (message.Header, error) {
	if l.read {
		return l.header, nil
	}
	body, err := l.spool.Open()
	if err != nil {
		return message.Header{}, fmt.Errorf("read the message: %w", err)
	}
	defer body.Close()
	l.header, err = message.ReadHeader(bufio.NewReader(body), message.Limits{})
	if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) {
		return message.Header{}, fmt.Errorf("read the message: %w", err)
	}
	l.read = true
	return l.header, nil
}

// body opens what stands behind the header.
func (l *letter) body() (io.ReadCloser, error) {
	h, err := l.headerOf()
	if err != nil {
		return nil, err
	}
	body, err := l.spool.Open()
	if err != nil {
		return nil, err
	}
	if _, err := body.Seek(int64(h.Size), io.SeekStart); err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

// rounds is how often a message came through a host: what comes back again and again
// goes in a circle.
func rounds(h message.Header, host mail.Domain) (n int) {
	if host.IsZero() {
		return 0
	}
	for f := range h.All("Received") {
		if strings.Contains(strings.ToLower(f.Value())+" ", " by "+host.String()+" ") {
			n++
		}
	}
	return n
}
