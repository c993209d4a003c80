package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

func (s *session) mailFrom(arg string) error {
	path, params, ok := pathArgument(arg, "FROM:")
	switch {
	case s.helo == "":
		return s.reply("503 5.5.1 EHLO first")
	case s.begun:
		return s.reply("503 5.5.1 One sender at a time")
	case s.port != 25 && s.login == "" && !s.mail.Character.SubmitsFreely:
		return s.reply("530 5.7.0 Authentication required")
	case !ok:
		return s.nonsense("501 5.5.4 MAIL FROM:<address>")
	case path == "" && s.mail.Character.RefusesNull:
		return s.reply("550 5.7.1 Empty sender refused")
	case declaredSize(params) > maxSize:
		return s.reply("552 5.3.4 Message too big")
	}
	if from := splitPath(path); s.login != "" && !s.isLocal(from.domain) {
		return s.reply("553 5.7.1 You are not " + from.String())
	}
	s.envelope = envelope{begun: true, from: path}
	return s.reply("250 2.1.0 Sender OK")
}

// declaredSize reads the SIZE parameter (RFC 1870 section 6); 0 without one.
func declaredSize(params string) int64 {
	for word := range strings.FieldsSeq(params) {
		if value, ok := strings.CutPrefix(strings.ToUpper(word), "SIZE="); ok {
			size, err := strconv.ParseInt(value, 10, 64)
			if err == nil {
				return size
			}
		}
	}
	return 0
}

func (s *session) rcptTo(arg string) error {
	path, _, ok := pathArgument(arg, "TO:")
	switch {
	case !s.begun:
		return s.reply("503 5.5.1 MAIL first")
	case !ok:
		return s.nonsense("501 5.5.4 RCPT TO:<address>")
	case len(s.to) >= 100: // RFC 5321 section 4.5.3.1.8
		return s.reply("452 4.5.3 Too many recipients")
	}
	v := s.decide(path)
	if !strings.HasPrefix(v.reply, "2") {
		return s.reply(v.reply)
	}
	if s.mail.Character.Greylists && s.isNew(path) {
		return s.reply(replyGreylist)
	}
	if s.mail.Character.Calls && s.from != "" {
		if err := s.callOut(s.from); err != nil {
			return s.reply("450 4.1.7 Sender could not be verified")
		}
	}
	s.to = append(s.to, path)
	s.hasLocal = s.hasLocal || v.local
	s.lost = s.lost || v.lost
	if v.relay.domain != "" {
		s.relays = append(s.relays, v.relay)
	}
	return s.reply(v.reply)
}

// isNewTriplet reports whether a client, sender and recipient never met before, and
// remembers them.
func (s *server) isNewTriplet(triplet string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.grey[triplet]
	s.grey[triplet] = true
	return !known
}

func (s *session) isNew(to string) bool {
	return s.isNewTriplet(s.remote + "\n" + s.from + "\n" + to)
}

func (s *session) data(arg string) error {
	ch := s.mail.Character
	switch {
	case arg != "":
		return s.nonsense("501 5.5.4 DATA takes no argument")
	case len(s.to) == 0:
		return s.reply("503 5.5.1 RCPT first")
	case len(s.chunks) > 0:
		return s.reply("503 5.5.1 BDAT has begun")
	}
	if err := s.reply("354 Go on, end with <CRLF>.<CRLF>"); err != nil {
		return err
	}
	if ch.Data == HangsUpIn {
		s.readLine()
		return io.EOF
	}
	body, err := readData(s.in, ch.BareLF, func() { s.conn.SetReadDeadline(time.Now().Add(patience)) })
	if err != nil && !errors.Is(err, errData) {
		return err
	}
	if ch.Data == HangsUpAfter {
		return io.EOF
	}
	return s.conclude(body, err)
}

// errData is wrapped by what makes content unacceptable.
var errData = errors.New("unacceptable data")

// readData reads to the end of data, and takes the stuffed dots away (RFC 5321
// section 4.5.2). Where it ends is a matter of character.
func readData(in *bufio.Reader, rule BareLF, alive func()) ([]byte, error) {
	var body []byte
	var fault error
	strict := true // the line before ended with CRLF
	for {
		alive()
		line, err := readWhole(in, maxSize-len(body))
		if err != nil {
			return nil, err
		}
		if endsData(line, strict, rule) {
			return body, fault
		}
		crlf := bytes.HasSuffix(line, []byte("\r\n"))
		if rule == BareLFRefused && hasBareLineEnd(line) {
			fault = fmt.Errorf("%w: bare CR or LF", errData)
		}
		if strict && line[0] == '.' {
			line = line[1:]
		}
		if len(body)+len(line) > maxSize {
			fault = fmt.Errorf("%w: too big", errData)
		} else {
			body = append(body, line...)
		}
		strict = crlf
	}
}

// readWhole gives a line with its line end, in memory only up to a little more than
// room octets.
func readWhole(in *bufio.Reader, room int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= room {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func endsData(line []byte, strict bool, rule BareLF) bool {
	if rule == BareLFEndsData {
		return string(line) == ".\n" || string(line) == ".\r\n"
	}
	return strict && string(line) == ".\r\n"
}

func hasBareLineEnd(body []byte) bool {
	pairs := bytes.Count(body, []byte("\r\n"))
	return pairs != bytes.Count(body, []byte("\n")) || pairs != bytes.Count(body, []byte("\r"))
}

// bdat takes one chunk (RFC 3030 section 2).
func (s *session) bdat(arg string) error {
	words := strings.Fields(strings.ToUpper(arg))
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "LAST" {
		return s.nonsense("501 5.5.4 BDAT size [LAST]")
	}
	size, err := strconv.ParseUint(words[0], 10, 31)
	if err != nil {
		return s.nonsense("501 5.5.4 BDAT size [LAST]")
	}
	if size+uint64(len(s.chunks)) > maxSize {
		s.reply("552 5.3.4 Message too big")
		return io.EOF
	}
	chunk := make([]byte, size)
	s.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(s.in, chunk); err != nil {
		return err
	}
	if len(s.to) == 0 {
		return s.reply("503 5.5.1 RCPT first")
	}
	s.chunks = append(s.chunks, chunk...)
	if len(words) == 1 {
		return s.reply("250 2.0.0 Chunk taken")
	}
	var fault error
	if s.mail.Character.BareLF == BareLFRefused && hasBareLineEnd(s.chunks) {
		fault = fmt.Errorf("%w: bare CR or LF", errData) // only BINARYMIME would allow it
	}
	return s.conclude(s.chunks, fault)
}

// conclude answers for a message that came in whole, and does what follows.
func (s *session) conclude(body []byte, fault error) error {
	done := s.envelope
	s.envelope = envelope{}
	switch {
	case fault != nil:
		return s.reply("550 5.6.0 Refused: " + fault.Error())
	case s.mail.Character.Data == Refuses:
		return s.reply("554 5.7.1 Refused for what it says")
	}
	drops := s.mail.Character.Relay.Drops
	s.town.Mailroom.put(Message{
		Host: s.mail.Name, Port: s.port, Helo: s.helo, From: done.from, To: done.to, Data: body,
		TLS: s.tls, Login: s.login, Remote: s.remote, Recipients: len(done.to),
		Relayed:   len(done.relays) > 0 && !drops,
		Undeliver: done.lost, Discarded: len(done.relays) > 0 && drops,
	})
	if !drops {
		s.passOn(done, body)
	}
	s.writeBack(done)
	return s.reply("250 2.0.0 Taken")
}
