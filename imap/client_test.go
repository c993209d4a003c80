package imap

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/mail"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// client is another's client, logged in, with a folder open.
func (h *house) client(name string) *imapclient.Client {
	h.t.Helper()
	_, addr := h.serve()
	conn, err := tls.Dial("tcp", addr.String(), h.clientTLS())
	if err != nil {
		h.t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	h.t.Cleanup(func() { c.Close() })
	user, password := h.login(name)
	if err := c.Login(user, password).Wait(); err != nil {
		h.t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		h.t.Fatal(err)
	}
	return c
}

// TestClientFetch has go-imap read odd messages, and checks what it understood with
// net/mail and with the octets.
func TestClientFetch(t *testing.T) {
	h := newHouse(t)
	for _, text := range odd {
		h.deliver("anna", text)
	}
	c := h.client("anna")
	whole := &imap.FetchItemBodySection{Peek: true}
	header := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true, Envelope: true, InternalDate: true,
		RFC822Size: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{whole, header}}).Collect()
	if err != nil || len(all) != len(odd) {
		t.Fatalf("%d messages, want %d: %v", len(all), len(odd), err)
	}
	for i, m := range all {
		text := m.FindBodySection(whole)
		if string(text) != odd[i] || m.RFC822Size != int64(len(odd[i])) || !bytes.HasPrefix(text, m.FindBodySection(header)) {
			t.Errorf("message %d: %d octets %q, want %q", i+1, m.RFC822Size, text, odd[i])
		}
		if parsed, err := mail.ReadMessage(bytes.NewReader(text)); err == nil {
			checkEnvelope(t, parsed.Header, m.Envelope)
		}
		if len(m.Flags) != 0 || !m.InternalDate.Equal(noon) {
			t.Errorf("message %d: flags %v, date %s", i+1, m.Flags, m.InternalDate)
		}
		parts(t, c, m)
	}
}

func checkEnvelope(t *testing.T, h mail.Header, e *imap.Envelope) {
	t.Helper()
	if date, err := h.Date(); err == nil && !date.Equal(e.Date) {
		t.Errorf("date %s, want %s", e.Date, date)
	}
	for name, list := range map[string][]imap.Address{"From": e.From, "Cc": e.Cc} {
		want, err := h.AddressList(name)
		if err != nil {
			continue
		}
		for i, a := range want {
			if i >= len(list) || list[i].Addr() != a.Address || list[i].Name != a.Name {
				t.Errorf("%s is %+v, want %s", name, list, a)
			}
		}
	}
}

// parts fetches every part that the structure names, and compares its size.
func parts(t *testing.T, c *imapclient.Client, m *imapclient.FetchMessageBuffer) {
	t.Helper()
	m.BodyStructure.Walk(func(path []int, part imap.BodyStructure) bool {
		single, ok := part.(*imap.BodyStructureSinglePart)
		if !ok {
			return true
		}
		section := &imap.FetchItemBodySection{Part: path, Peek: true}
		got, err := c.Fetch(imap.UIDSetNum(m.UID), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil || len(got) != 1 || int64(len(got[0].FindBodySection(section))) != int64(single.Size) {
			t.Errorf("part %v of message %d, %s of %d octets: %v, %v", path, m.UID, single.MediaType(), single.Size, got, err)
		}
		return true
	})
}

func TestClientSearch(t *testing.T) {
	h := newHouse(t)
	for _, text := range talk(50) {
		h.deliver("anna", text)
	}
	c := h.client("anna")
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "GRÜ"}}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) == 0 {
		t.Fatalf("%v, %v", found, err)
	}
	extended, err := c.UIDSearch(&imap.SearchCriteria{Larger: 1000}, &imap.SearchOptions{ReturnMin: true, ReturnMax: true, ReturnCount: true}).Wait()
	if err != nil || extended.Min == 0 || extended.Max <= extended.Min || extended.Count < 2 {
		t.Errorf("%+v, %v", extended, err)
	}
	sorted, err := c.UIDSort(&imapclient.SortOptions{SearchCriteria: &imap.SearchCriteria{}, SortCriteria: []imapclient.SortCriterion{{Key: imapclient.SortKeySize, Reverse: true}}}).Wait()
	if err != nil || len(sorted) != 50 || sorted[0] != extendedLargest(t, c) {
		t.Errorf("%v, %v", sorted, err)
	}
	threads, err := c.UIDThread(&imapclient.ThreadOptions{Algorithm: imap.ThreadReferences, SearchCriteria: &imap.SearchCriteria{}}).Wait()
	if err != nil || len(threads) == 0 || len(threads) >= 50 {
		t.Errorf("%v, %v", threads, err)
	}
}

// extendedLargest is the UID of the largest message, the first of them.
func extendedLargest(t *testing.T, c *imapclient.Client) uint32 {
	t.Helper()
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, RFC822Size: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	largest := all[0]
	for _, m := range all {
		if m.RFC822Size > largest.RFC822Size {
			largest = m
		}
	}
	return uint32(largest.UID)
}

// TestSeen reads a message as programs do, which sets \Seen.
func TestSeen(t *testing.T) {
	h := newHouse(t)
	h.deliver("anna", "Subject: x\r\n\r\n"+strings.Repeat("line\r\n", 10_000))
	c := h.client("anna")
	cmd := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}})
	m := cmd.Next()
	var octets int64
	seen := false
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataBodySection:
			n, err := io.Copy(io.Discard, item.Literal)
			if octets = n; err != nil {
				t.Error(err)
			}
		case imapclient.FetchItemDataFlags:
			seen = len(item.Flags) == 1 && item.Flags[0] == imap.FlagSeen
		}
	}
	if err := cmd.Close(); err != nil || !seen || octets != 60_014 {
		t.Errorf("%d octets, seen %t, %v", octets, seen, err)
	}
}

// TestImaplib has Python's imaplib do the same, and its email package look at what came.
func TestImaplib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing")
		}
		t.Skip("python3 is missing")
	}
	h := newHouse(t)
	for _, text := range odd {
		h.deliver("anna", text)
	}
	_, addr := h.serve()
	user, password := h.login("anna")
	cmd := exec.Command(python, "testdata/imaplib_client.py", strconv.Itoa(int(addr.Port())), user, password)
	said, err := cmd.CombinedOutput()
	if err != nil || string(said) != strconv.Itoa(len(odd))+" messages are as they should be\n" {
		t.Errorf("%v: %s", err, said)
	}
}
