package check

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/allgreen-mail/allgreen/mail"
)

//go:embed lookalike.json
var lookalikeJSON []byte

// lookalikes is what is known about characters and words that deceive.
type lookalikes struct {
	Letters   map[string]string `json:"letters"`     // of other scripts, and the Latin letter they look like
	Pairs     map[string]string `json:"pairs"`       // of ASCII: "rn" looks like "m"
	Badges    string            `json:"badges"`      // signs that pretend a check
	FileNames []string          `json:"file_names"`  // top-level domains that are mostly file names in a text
	LeaveList []string          `json:"unsubscribe"` // words of links that lead off a list
}

// knownLookalikes reads the data once. It is ours: broken data is a bug.
var knownLookalikes = sync.OnceValue(func() lookalikes {
	var l lookalikes
	if err := json.Unmarshal(lookalikeJSON, &l); err != nil {
		panic(fmt.Sprintf("check: lookalike.json: %s", err))
	}
	return l
})

// deceivingRune finds characters that cannot be seen, or that turn the direction of
// what follows. Joiners are left alone where they belong: within scripts and
// emoji.
func deceivingRune(s string) (rune, bool) {
	previous := rune(0)
	for _, r := range s {
		joins := (r == '\u200c' || r == '\u200d') && previous > unicode.MaxLatin1
		if !joins && (unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\t') {
			return r, true
		}
		previous = r
	}
	return 0, false
}

// mixedWord finds a word that has Latin letters beside ones of Cyrillic or Greek
// (UTS 39 section 5.1 calls that not even moderately restrictive).
func mixedWord(s string) (string, bool) {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		var latin, other bool
		for _, r := range word {
			latin = latin || unicode.Is(unicode.Latin, r)
			other = other || unicode.In(r, unicode.Cyrillic, unicode.Greek)
		}
		if latin && other {
			return word, true
		}
	}
	return "", false
}

func badgeRune(s string) (rune, bool) {
	for _, r := range s {
		if strings.ContainsRune(knownLookalikes().Badges, r) {
			return r, true
		}
	}
	return 0, false
}

// skeleton is a label as it looks: letters of other scripts as the Latin ones they
// resemble, pairs as the letter they resemble.
func skeleton(label string) string {
	known := knownLookalikes()
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		if latin, ok := known.Letters[string(r)]; ok {
			b.WriteString(latin)
		} else {
			b.WriteRune(r)
		}
	}
	look := b.String()
	for pair, letter := range known.Pairs {
		look = strings.ReplaceAll(look, pair, letter)
	}
	return look
}

// likeness says how one registered name resembles another that it is not: "" when
// it does not.
func likeness(name, own mail.Domain) string {
	name, own = name.Registrable(), own.Registrable()
	a, b := firstLabel(name), firstLabel(own)
	const shortest = 4 // shorter names resemble each other by chance
	switch {
	case name == own || a == b || len(b) < shortest || len(a) < shortest:
		return ""
	case skeleton(a) == skeleton(b):
		return "looks the same"
	case strings.HasPrefix(a, b+"-") || strings.HasSuffix(a, "-"+b):
		return "adds a word with a hyphen"
	case strings.HasPrefix(b, a+"-") || strings.HasSuffix(b, "-"+a):
		return "leaves out a word with a hyphen"
	}
	if d := distance([]rune(a), []rune(b)); d == 1 && len(b) > shortest || d == 2 && len(b) > 2*shortest {
		return fmt.Sprintf("differs in %d letters", d)
	}
	return ""
}

// firstLabel is the label that was registered, as people see it.
func firstLabel(d mail.Domain) string {
	label, _, _ := strings.Cut(d.Unicode(), ".")
	return label
}

// distance counts the letters to insert, delete, replace, or swap with their
// neighbour to make b of a. Labels are short, so the whole table is kept.
func distance(a, b []rune) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
