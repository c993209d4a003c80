package message

import "testing"

func TestDecodeWords(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		// RFC 2047 section 8.
		{"(=?ISO-8859-1?Q?a?=)", "(a)"},
		{"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
		{"=?US-ASCII?Q?Keith_Moore?=", "Keith Moore"},
		{"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "If you can read this you understand the example."},
		{"=?utf-8*fr?q?caf=c3=a9?=", "café"},
		{"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?gb2312?B?xOO6ww==?=", "你好"},
		{"=?windows-1252?q?=80?=", "€"},
		{"=?iso-8859-1?q?=80?=", "€"},
		// A character cut in two words.
		{"=?utf-8?q?caf=c3?= =?UTF-8?q?=a9?=", "café"},
		{"=?utf-8?b?w6k?=", "é"},                               // padding forgotten
		{"=?utf-8?q?a b?=", "a b"},                             // raw space
		{"a =?utf-8?q?b?= c", "a b c"},                         //
		{"=?utf-8?q?a?=x=?utf-8?q?b?=", "axb"},                 //
		{"=?utf-8?x?a?=", "=?utf-8?x?a?="},                     // unknown encoding
		{"=?nowhere?q?a?=", "=?nowhere?q?a?="},                 // unknown charset
		{"=?utf-8?q?=zz?=", "=?utf-8?q?=zz?="},                 // broken
		{"=?utf-8?q?open", "=?utf-8?q?open"},                   // not closed
		{"=?", "=?"},                                           //
		{"=?=?utf-8?q?a?=", "=?a"},                             //
		{"caf\xe9", "caf\uFFFD"},                               // raw octets
		{"=?utf-8?q?=ff?= =?utf-8?q?b?=", "\uFFFDb"},           // not UTF-8
		{"=?utf-8?q?a?= =?bad?= =?utf-8?q?b?=", "a =?bad?= b"}, //
	}
	for _, tt := range tests {
		if got := DecodeWords(tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}
