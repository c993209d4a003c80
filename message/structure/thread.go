package structure

import "strings"

// threadReferences are the identifiers of References, or when it has none the first
// of In-Reply-To (RFC 5256 section 3, THREAD=REFERENCES, step 1).
func threadReferences(references, inReplyTo string) []string {
	if ids := identifiers(references); len(ids) > 0 {
		return ids
	}
	ids := identifiers(inReplyTo)
	return ids[:min(1, len(ids))]
}

// identifiers are the message identifiers in a field, without their angle brackets.
func identifiers(s string) []string {
	var ids []string
	for {
		_, rest, ok := strings.Cut(s, "<")
		if !ok {
			return ids
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			return ids
		}
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:]
		}
		if isIdentifier(id) {
			ids = append(ids, id)
		}
		s = after
	}
}

// isIdentifier reports whether something can be told from others by it: both sides of
// an @, without white space.
func isIdentifier(id string) bool {
	at := strings.LastIndexByte(id, '@')
	return at > 0 && at < len(id)-1 && !strings.ContainsAny(id, " \t\r\n")
}

// Identifier is the Message-ID without its angle brackets, "" when there is none that
// could be meant by another message.
func (e *Envelope) Identifier() string {
	if ids := identifiers(e.MessageID); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
