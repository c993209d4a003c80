package imap

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/allgreen-mail/allgreen/imap/inflate"
	"github.com/allgreen-mail/allgreen/imap/syntax"
)

// compress is COMPRESS DEFLATE (RFC 4978).
func (s *session) compress(_ context.Context, cmd *syntax.Command) (answer, error) {
	switch {
	case cmd.Args.(*syntax.Compress).Algorithm != "DEFLATE":
		return answer{}, no("CANNOT", "only DEFLATE is known")
	case s.packed:
		return answer{}, no("COMPRESSIONACTIVE", "everything is compressed already")
	case len(s.in.unused()) > 0:
		return answer{}, bad("wait for the answer to COMPRESS")
	}
	s.agree(cmd, answer{text: "from here on"})
	if s.out.Flush() != nil {
		return answer{}, errAnswered
	}
	s.packed = true
	s.in.from = inflate.NewReader(s.conn)
	s.out.Redirect(packer{(*outward)(s.link)})
	return answer{}, errAnswered
}

// packer compresses each piece for itself. That packs a little worse than what remembers
// all before it, and so costs an idle client no memory: the other way takes hundreds of
// kilobytes for each.
type packer struct{ to io.Writer }

// packed are lent to packers.
var packed = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Write sends octets, compressed and flushed.
func (p packer) Write(octets []byte) (int, error) {
	b := packed.Get().(*bytes.Buffer)
	defer packed.Put(b)
	b.Reset()
	if err := flate.StatelessDeflate(b, octets, false, nil); err != nil {
		return 0, err
	}
	if _, err := p.to.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(octets), nil
}
