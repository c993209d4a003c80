package route

import "strings"

// tag is one name=value field of a TXT record.
type tag struct{ name, value string }

// cutTags splits "v=X; a=b; c=d" at its semicolons. Spaces and tabs around a
// field are allowed (RFC 8461 section 3.1, RFC 8460 section 3), spaces around the
// equals sign are not: they stay in and are seen.
func cutTags(text string, found *problems) []tag {
	var tags []tag
	fields := strings.Split(text, ";")
	for i, field := range fields {
		field = strings.Trim(field, " \t")
		if field == "" {
			if i < len(fields)-1 {
				found.fatal("empty-field", "there is nothing between two semicolons")
			}
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			found.fatal("syntax", "%.40q is no name=value field", field)
			continue
		}
		tags = append(tags, tag{name, value})
	}
	return tags
}

// isExtension reports whether a field fits the grammar of an extension, which is
// ignored when unknown (RFC 8461 section 3.1).
func (t tag) isExtension() bool { return isExtensionName(t.name) && isExtensionValue(t.value) }

func isExtensionName(s string) bool {
	if s == "" || len(s) > 32 || !isAlnum(rune(s[0])) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !isAlnum(r) && !strings.ContainsRune("_-.", r) })
}

func isExtensionValue(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '=' })
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// pick finds the records of one version among the TXT records of a name: those
// that begin as they must, and, when there is none, those that nearly do, so that
// a slip of the pen can be shown. Others (wildcards, verification tokens) are not ours.
func pick(texts []string, version string) []string {
	var exact, near []string
	for _, t := range texts {
		trimmed := strings.ReplaceAll(strings.ToLower(t), " ", "")
		switch {
		case strings.HasPrefix(t, version+";"):
			exact = append(exact, t)
		case strings.HasPrefix(trimmed, strings.ToLower(version)):
			near = append(near, t)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return near
}
