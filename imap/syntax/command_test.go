package syntax

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func r(first, last uint32) Range { return Range{first, last} }

func set(all ...Range) Set { return Set{Ranges: all} }

func TestParse(t *testing.T) {
	day := time.Date(1994, 2, 1, 0, 0, 0, 0, time.UTC)
	zone := time.FixedZone("", -7*3600)
	for _, tt := range []struct {
		text string
		want Command
	}{
		{"a NOOP", Command{Tag: "a", Name: "NOOP"}},
		{"a noop ", Command{Tag: "a", Name: "NOOP"}},
		{"A.1] capability", Command{Tag: "A.1]", Name: "CAPABILITY"}},
		{`a LOGIN "us\"er" {4}` + "\r\np\\s ", Command{Tag: "a", Name: "LOGIN", Args: &Login{`us"er`, `p\s `}}},
		{"a LOGIN anna ]x", Command{Tag: "a", Name: "LOGIN", Args: &Login{"anna", "]x"}}},
		{"a LOGIN {4+}\r\nanna {0}\r\n", Command{Tag: "a", Name: "LOGIN", Args: &Login{"anna", ""}}},
		{"a AUTHENTICATE plain =", Command{Tag: "a", Name: "AUTHENTICATE", Args: &Authenticate{"PLAIN", []byte("=")}}},
		{"a AUTHENTICATE SCRAM-SHA-256-PLUS", Command{Tag: "a", Name: "AUTHENTICATE", Args: &Authenticate{Mechanism: "SCRAM-SHA-256-PLUS"}}},
		{"a ENABLE condstore UTF8=ACCEPT", Command{Tag: "a", Name: "ENABLE", Args: &Enable{[]string{"CONDSTORE", "UTF8=ACCEPT"}}}},
		{"a ID NIL", Command{Tag: "a", Name: "ID", Args: &ID{}}},
		{"a ID ()", Command{Tag: "a", Name: "ID", Args: &ID{}}},
		{`a ID ("name" "x" "os" NIL)`, Command{Tag: "a", Name: "ID", Args: &ID{[][2]string{{"name", "x"}, {"os", ""}}}}},
		{"a COMPRESS deflate", Command{Tag: "a", Name: "COMPRESS", Args: &Compress{"DEFLATE"}}},
		{"a SELECT inbox", Command{Tag: "a", Name: "SELECT", Args: &Select{Mailbox: "INBOX"}}},
		{"a EXAMINE Inbox/Sub (CONDSTORE)", Command{Tag: "a", Name: "EXAMINE", Args: &Select{Mailbox: "INBOX/Sub", CondStore: true}}},
		{"a SELECT &AOk-t&AOk- (QRESYNC (67890007 20050715194045000 41,43:211,214:541))", Command{Tag: "a", Name: "SELECT",
			Args: &Select{Mailbox: "été", QResync: &QResync{UIDValidity: 67890007, ModSeq: 20050715194045000,
				Known: []Range{r(41, 41), r(43, 211), r(214, 541)}}}}},
		{"a SELECT x (QRESYNC (1 2 1:9 (1,3 5,9)))", Command{Tag: "a", Name: "SELECT", Args: &Select{Mailbox: "x",
			QResync: &QResync{UIDValidity: 1, ModSeq: 2, Known: []Range{r(1, 9)}, Sequence: []Range{r(1, 1), r(3, 3)}, UIDs: []Range{r(5, 5), r(9, 9)}}}}},
		{"a SELECT x (QRESYNC (1 2 (1 5)) CONDSTORE)", Command{Tag: "a", Name: "SELECT", Args: &Select{Mailbox: "x", CondStore: true,
			QResync: &QResync{UIDValidity: 1, ModSeq: 2, Sequence: []Range{r(1, 1)}, UIDs: []Range{r(5, 5)}}}}},
		{`a CREATE "a b/c"`, Command{Tag: "a", Name: "CREATE", Args: &Create{Name: "a b/c"}}},
		{`a CREATE x (USE (\Drafts \Sent))`, Command{Tag: "a", Name: "CREATE", Args: &Create{Name: "x", Use: []string{`\Drafts`, `\Sent`}}}},
		{"a RENAME a {3}\r\nb c", Command{Tag: "a", Name: "RENAME", Args: &Rename{"a", "b c"}}},
		{`a LIST "" *`, Command{Tag: "a", Name: "LIST", Args: &List{Patterns: []string{"*"}}}},
		{`a LIST "" ""`, Command{Tag: "a", Name: "LIST", Args: &List{Patterns: []string{""}}}},
		{`a LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX %/x) RETURN (CHILDREN STATUS (MESSAGES SIZE))`, Command{Tag: "a", Name: "LIST",
			Args: &List{Patterns: []string{"INBOX", "%/x"}, Extended: true, Subscribed: true, Recursive: true,
				Return: ListReturn{Subscribed: true, Children: true, Status: []StatusItem{StatusMessages, StatusSize}}}}},
		{`a LIST () "" % RETURN ()`, Command{Tag: "a", Name: "LIST", Args: &List{Patterns: []string{"%"}, Extended: true}}},
		{`a LSUB "" %`, Command{Tag: "a", Name: "LSUB", Args: &List{Patterns: []string{"%"}, Subscribed: true}}},
		{"a STATUS x (MESSAGES uidnext)", Command{Tag: "a", Name: "STATUS", Args: &Status{"x", []StatusItem{StatusMessages, StatusUIDNext}}}},
		{`a APPEND x {310}`, Command{Tag: "a", Name: "APPEND", Args: &Append{Mailbox: "x", Literal: Literal{Size: 310}}}},
		{`a APPEND {1}` + "\r\nx" + ` (\seen $x \Recent) " 7-Jul-1996 02:44:25 -0700" ~{5+}`, Command{Tag: "a", Name: "APPEND", Args: &Append{
			Mailbox: "x", Flags: []string{Seen, "$x"}, Date: time.Date(1996, 7, 7, 2, 44, 25, 0, zone), Literal: Literal{5, true, true}}}},
		{`a APPEND x () UTF8 (~{5}`, Command{Tag: "a", Name: "APPEND", Args: &Append{Mailbox: "x", Literal: Literal{5, false, true}, UTF8: true, Tail: ")"}}},
		{`a STORE 2:4 +FLAGS (\Deleted $Junk)`, Command{Tag: "a", Name: "STORE", Args: &Store{Set: set(r(2, 4)), Op: AddFlags,
			Flags: []string{Deleted, "$Junk"}, UnchangedSince: -1}}},
		{`a UID STORE 1,*:7 (UNCHANGEDSINCE 0) -flags.silent \Seen \flagged`, Command{Tag: "a", Name: "STORE", UID: true,
			Args: &Store{Set: set(r(1, 1), r(Star, 7)), Op: RemoveFlags, Silent: true, Flags: []string{Seen, Flagged}}}},
		{`a STORE $ FLAGS ()`, Command{Tag: "a", Name: "STORE", Args: &Store{Set: Set{Saved: true}, UnchangedSince: -1}}},
		{"a UID MOVE 1:* Trash", Command{Tag: "a", Name: "MOVE", UID: true, Args: &Copy{set(r(1, Star)), "Trash"}}},
		{"a EXPUNGE", Command{Tag: "a", Name: "EXPUNGE"}},
		{"a UID EXPUNGE 3", Command{Tag: "a", Name: "EXPUNGE", UID: true, Args: &Expunge{set(r(3, 3))}}},
		{"a GETQUOTA \"\"", Command{Tag: "a", Name: "GETQUOTA", Args: &QuotaRoot{}}},
		{"a SETQUOTA \"\" (STORAGE 512)", Command{Tag: "a", Name: "SETQUOTA", Args: &SetQuota{Limits: []QuotaLimit{{"STORAGE", 512}}}}},
		{"a FETCH 1 fast", Command{Tag: "a", Name: "FETCH", Args: &Fetch{Set: set(r(1, 1)), ChangedSince: -1,
			Items: []FetchItem{{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchSize}}}}},
		{"a UID FETCH 1:* (UID BODY body.peek[] BODYSTRUCTURE) (CHANGEDSINCE 5 VANISHED)", Command{Tag: "a", Name: "FETCH", UID: true,
			Args: &Fetch{Set: set(r(1, Star)), ChangedSince: 5, Vanished: true,
				Items: []FetchItem{{Kind: FetchUID}, {Kind: FetchBody}, {Kind: FetchSection, Peek: true}, {Kind: FetchBodyStructure}}}}},
		{"a FETCH 1 BODY[1.2.HEADER.FIELDS (Date \"X y\")]<0.100>", Command{Tag: "a", Name: "FETCH", Args: &Fetch{Set: set(r(1, 1)), ChangedSince: -1,
			Items: []FetchItem{{Kind: FetchSection, Section: Section{Part: []int{1, 2}, Text: SectionFields, Fields: []string{"Date", "X y"}},
				Partial: &Partial{0, 100}}}}}},
		{"a FETCH 1 (BODY[HEADER] BODY[2.MIME] BODY[3] BODY[TEXT] BINARY.PEEK[1] BINARY[] BINARY.SIZE[4] RFC822.HEADER)", Command{Tag: "a", Name: "FETCH",
			Args: &Fetch{Set: set(r(1, 1)), ChangedSince: -1, Items: []FetchItem{
				{Kind: FetchSection, Section: Section{Text: SectionHeader}}, {Kind: FetchSection, Section: Section{Part: []int{2}, Text: SectionMIME}},
				{Kind: FetchSection, Section: Section{Part: []int{3}}}, {Kind: FetchSection, Section: Section{Text: SectionBody}},
				{Kind: FetchBinary, Section: Section{Part: []int{1}}, Peek: true}, {Kind: FetchBinary},
				{Kind: FetchBinarySize, Section: Section{Part: []int{4}}}, {Kind: FetchRFC822Header}}}}},
		{"a SEARCH UNSEEN", Command{Tag: "a", Name: "SEARCH", Args: &Search{Key: not(hasFlag(Seen))}}},
		{"a UID SEARCH RETURN (MIN COUNT) CHARSET utf-8 TEXT {4}\r\nx\xc3\xa9y 1:*", Command{Tag: "a", Name: "SEARCH", UID: true, Args: &Search{
			Return: SearchReturn{Extended: true, Min: true, Count: true}, Charset: "UTF-8",
			Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{{Op: SearchText, Text: "xéy"}, {Op: SearchSequence, Set: set(r(1, Star))}}}}}},
		{"a SEARCH RETURN () ALL", Command{Tag: "a", Name: "SEARCH", Args: &Search{Return: SearchReturn{Extended: true, All: true}}}},
		{"a SEARCH OR (SINCE 1-Feb-1994 NOT FROM Smith) NOT NOT HEADER X-Y \"\"", Command{Tag: "a", Name: "SEARCH", Args: &Search{
			Key: SearchKey{Op: SearchOr, Keys: []SearchKey{
				{Op: SearchAnd, Keys: []SearchKey{{Op: SearchSince, Date: day}, not(SearchKey{Op: SearchHeader, Field: "from", Text: "Smith"})}},
				not(not(SearchKey{Op: SearchHeader, Field: "x-y"}))}}}}},
		{`a SEARCH MODSEQ "/flags/\\draft" all 620162338 UNKEYWORD $x LARGER 5 YOUNGER 60`, Command{Tag: "a", Name: "SEARCH", Args: &Search{
			Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{{Op: SearchModSeq, Number: 620162338}, not(hasFlag("$x")),
				{Op: SearchLarger, Number: 5}, {Op: SearchYounger, Number: 60}}}}}},
		{"a SORT (REVERSE DATE SUBJECT) UTF-8 ALL", Command{Tag: "a", Name: "SORT", Args: &Sort{
			Order: []SortKey{{SortDate, true}, {SortSubject, false}}, Search: Search{Charset: "UTF-8"}}}},
		{"a UID THREAD REFERENCES US-ASCII UID 5", Command{Tag: "a", Name: "THREAD", UID: true, Args: &Thread{
			Algorithm: "REFERENCES", Search: Search{Charset: "US-ASCII", Key: SearchKey{Op: SearchUID, Set: set(r(5, 5))}}}}},
	} {
		got, err := Parse([]byte(tt.text), false)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ text, tag, want string }{
		{"", "", "tag"},
		{"* NOOP", "", "tag"},
		{"a", "a", "space"},
		{"a+ NOOP", "a", "space"},
		{"a XYZZY", "a", "unknown command"},
		{"a UID NOOP", "a", "unknown command"},
		{"a UID LOGIN", "a", "unknown command"},
		{"a NOOP NOOP", "a", "more than"},
		{"a  NOOP", "a", "word is missing"},
		{"a LOGIN anna", "a", "space"},
		{`a LOGIN "anna`, "a", "not closed"},
		{`a LOGIN "an\na" x`, "a", "backslash"},
		{"a LOGIN \"an\rna\" x", "a", "line end"},
		{"a LOGIN {5}\r\nanna", "a", "not there"},
		{"a LOGIN {99999999999999999999}\r\nanna", "a", "announcement"},
		{"a LOGIN {4}anna x", "a", "not there"},
		{"a LOGIN {4}\r\nan\x00a x", "a", "NUL"},
		{"a LOGIN an\x00na x", "a", "space"},
		{"a LOGIN \xc3\xa9 x", "a", "string is missing"},
		{"a SELECT &AOk", "a", "encoded"},
		{"a SELECT &AGE-", "a", "encoded"}, // an a needs no code
		{"a SELECT &2AA-", "a", "encoded"}, // half of a pair
		{"a SELECT \"\xff\"", "a", "encoded"},
		{"a SELECT " + strings.Repeat("x", MaxName+1), "a", "octets"},
		{"a SELECT x (QRESYNC (0 1))", "a", "UIDVALIDITY"},
		{"a SELECT x (QRESYNC (1 1 1:*))", "a", "not known"},
		{"a FETCH 0 FLAGS", "a", "numbers no message"},
		{"a FETCH 4294967296 FLAGS", "a", "too large"},
		{"a FETCH 1 (FLAGS FAST)", "a", "unknown item"},
		{"a FETCH 1 FLAGS[]", "a", "no section"},
		{"a FETCH 1 BODY[0]", "a", "part"},
		{"a FETCH 1 BODY[1.]", "a", "missing"},
		{"a FETCH 1 BODY[MIME]", "a", "needs a part"},
		{"a FETCH 1 BODY[HEADER.FIELDS ()]", "a", "string is missing"},
		{"a FETCH 1 BODY[]<0.0>", "a", "no octets"},
		{"a FETCH 1 BODY[" + strings.Repeat("1.", 200) + "1]", "a", "part"},
		{"a STORE 1 FLAGS", "a", "space"},
		{`a STORE 1 FLAGS \Strange`, "a", "no flag"},
		{"a STORE 1 FLAGS " + strings.Repeat("k", MaxKeyword+1), "a", "keyword"},
		{"a SEARCH " + strings.Repeat("NOT ", 200) + "SEEN", "a", "nested"},
		{"a SEARCH " + strings.Repeat("(", 2000) + "SEEN" + strings.Repeat(")", 2000), "a", "nested"},
		{"a SEARCH UNDELIVERED", "a", "search key"},
		{"a SEARCH SINCE 31-Feb-1994", "a", "no date"},
		{"a LIST (RECURSIVEMATCH) \"\" *", "a", "RECURSIVEMATCH"},
		{"a APPEND x", "a", "space"},
		{"a APPEND x hello", "a", "literal"},
		{"a APPEND x UTF8 ({5}", "a", "literal"},
		{`a ID ("name")`, "a", "space"},
		{"a SETQUOTA x (STORAGE 99999999999999999999)", "a", "too large"},
	} {
		cmd, err := Parse([]byte(tt.text), false)
		if err == nil || !strings.Contains(err.Error(), tt.want) || cmd.Tag != tt.tag || cmd.Args != nil {
			t.Errorf("Parse(%.60q) = %+v, %v; want tag %q and an error about %q", tt.text, cmd, err, tt.tag, tt.want)
		}
	}
}

func TestAnnounced(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Literal
		ok   bool
	}{
		{"a LOGIN {5}", Literal{Size: 5}, true},
		{"a LOGIN {5+}", Literal{Size: 5, Ahead: true}, true},
		{"a APPEND x ~{0}", Literal{Binary: true}, true},
		{"a LOGIN {5} ", Literal{}, false},
		{"a LOGIN {}", Literal{}, false},
		{"a LOGIN {+}", Literal{}, false},
		{"a LOGIN {-1}", Literal{}, false},
		{"a LOGIN 5}", Literal{}, false},
		{"a LOGIN {9999999999999999}", Literal{}, false},
		{"", Literal{}, false},
	} {
		if got, ok := Announced([]byte(tt.line)); got != tt.want || ok != tt.ok {
			t.Errorf("Announced(%q) = %+v, %v", tt.line, got, ok)
		}
	}
}

func TestStreams(t *testing.T) {
	for text, want := range map[string]bool{
		"a APPEND x {5}":                 true,
		"a append {1}\r\nx (\\Seen) {5}": true,
		"a APPEND {5}":                   false, // the name
		"a APPEND {1}\r\nx":              false,
		"a LOGIN x {5}":                  false,
		"a UID APPEND x {5}":             false,
		"{5}":                            false,
	} {
		if got := Streams([]byte(text)); got != want {
			t.Errorf("Streams(%q) = %v", text, got)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		set     Set
		largest uint32
		want    []Range
	}{
		{set(r(1, Star)), 9, []Range{r(1, 9)}},
		{set(r(12, Star)), 9, []Range{r(9, 12)}}, // in either order: the last one at least
		{set(r(Star, Star), r(1, 2), r(3, 3), r(2, 5)), 9, []Range{r(1, 5), r(9, 9)}},
		{set(r(5, 1)), 9, []Range{r(1, 5)}},
		{set(r(1, Star), r(3, 3)), 0, []Range{r(3, 3)}},
		{set(r(1<<32-1, 1<<32-1), r(1, 1<<32-1)), 9, []Range{r(1, 1<<32-1)}},
	} {
		if diff := cmp.Diff(tt.want, tt.set.Resolve(tt.largest)); diff != "" {
			t.Errorf("%v.Resolve(%d) (-want +got):\n%s", tt.set, tt.largest, diff)
		}
	}
}

func TestNames(t *testing.T) {
	for name, wire := range map[string]string{
		"INBOX": "INBOX", "R&D": "R&-D", "été": "&AOk-t&AOk-", "日本語": "&ZeVnLIqe-", "a😀b": "a&2D3eAA-b", "x&y/é&": "x&-y/&AOk-&-",
	} {
		if got := EncodeName(name); got != wire {
			t.Errorf("EncodeName(%q) = %q, want %q", name, got, wire)
		}
		if got, ok := DecodeName(wire, false); got != name || !ok {
			t.Errorf("DecodeName(%q) = %q, %v, want %q", wire, got, ok, name)
		}
		if got, ok := DecodeName(name, true); got != name || !ok {
			t.Errorf("DecodeName(%q) as UTF-8 = %q, %v", name, got, ok)
		}
	}
	if got, ok := DecodeName("été", false); got != "été" || !ok {
		t.Errorf("UTF-8 of a client that enabled nothing: %q, %v", got, ok)
	}
}

func TestWriter(t *testing.T) {
	var sent bytes.Buffer
	w := NewWriter(&sent)
	w.Raw("* ").Number(3).Raw(" x ").String(`a"\b`).String("é").String("a\nb").Mailbox("é").Ranges([]Range{r(1, 3), r(7, 7)}).
		DateTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)).Flags([]string{Seen, "$x"})
	w.Literal(5, strings.NewReader("hello")).Literal8(1, strings.NewReader("\x00"))
	w.UTF8 = true
	w.String("é").Mailbox("é").String("\xff")
	if sent.Len() > 0 {
		t.Error("sent before Flush")
	}
	if err := w.Flush(); err != nil || w.Buffered() != 0 {
		t.Error(err, w.Buffered())
	}
	const want = `* 3 x "a\"\\b"` + "{2}\r\né{3}\r\na\nb" + `"&AOk-"1:3,7" 2-Jan-2026 03:04:05 +0000"(\Seen $x)` +
		"{5}\r\nhello~{1}\r\n\x00" + `"é""é"` + "{1}\r\n\xff"
	if diff := cmp.Diff(want, sent.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	long := strings.Repeat("0123456789", 50_000)
	sent.Reset()
	w.Literal(int64(len(long)), strings.NewReader(long))
	if w.Flush() != nil || sent.String() != "{500000}\r\n"+long {
		t.Errorf("a long literal came as %d octets", sent.Len())
	}
	if w.Literal(5, strings.NewReader("hell")); w.Err() == nil {
		t.Error("a literal that was too short is no error")
	}
}

func TestSectionString(t *testing.T) {
	for _, text := range []string{"", "1", "1.2.MIME", "HEADER", "3.TEXT", "HEADER.FIELDS (Date From)", `1.HEADER.FIELDS.NOT ("a b")`} {
		cmd, err := Parse([]byte("a FETCH 1 BODY["+text+"]"), false)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := cmd.Args.(*Fetch).Items[0].Section.String(); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a LOGIN \"x\" {3}\r\nabc", "a FETCH 1:*,3 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (A \"b\")]<1.2>) (CHANGEDSINCE 3 VANISHED)",
		"a SEARCH RETURN (MIN) CHARSET UTF-8 OR (NOT SEEN 1:*) HEADER x {1}\r\ny", "a LIST (SUBSCRIBED) \"\" (a &AOk-) RETURN (STATUS (SIZE))",
		"a APPEND x (\\Seen) \"01-Jan-2020 00:00:00 +0000\" UTF8 (~{3+}", "a SELECT x (QRESYNC (1 2 3:4 (1,2 3,4)))",
		"a UID SORT RETURN () (REVERSE DATE) UTF-8 ALL", "a STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted x)", "a ID (\"a\" NIL)",
	} {
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, isUTF8 bool) {
		cmd, err := Parse(text, isUTF8)
		if err != nil && cmd.Args != nil || err == nil && (cmd.Tag == "" || cmd.Name == "") {
			t.Fatalf("Parse(%q) = %+v, %v", text, cmd, err)
		}
		Streams(text)
		Announced(text)
		switch args := cmd.Args.(type) {
		case *Fetch:
			args.Set.Resolve(100)
			for _, i := range args.Items {
				again, err := Parse([]byte("a FETCH 1 BODY["+i.Section.String()+"]"), isUTF8)
				if i.Kind == FetchSection && (err != nil || !cmp.Equal(again.Args.(*Fetch).Items[0].Section, i.Section)) {
					t.Fatalf("section %q of %q: %v", i.Section, text, err)
				}
			}
		case *Mailbox:
			if back, ok := DecodeName(EncodeName(args.Name), false); !ok || back != args.Name {
				t.Fatalf("%q became %q", args.Name, back)
			}
		}
	})
}
