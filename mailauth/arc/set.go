package arc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
)

// Set is the three fields that one handler of the message added (RFC 8617
// section 4.1).
type Set struct {
	Instance int
	Results  string          // what the handler found: the value of ARC-Authentication-Results behind i=
	Message  *dkim.Signature // of ARC-Message-Signature
	Seal     *dkim.Signature // of ARC-Seal
	CV       string          // cv=: what the handler said of the chain before it

	results, signature, seal message.Field
}

// maxSets is RFC 8617 section 5.2 step 1: no chain is longer.
const maxSets = 50

// errNone says that the message has no ARC fields.
var errNone = errors.New("the message carries no ARC set")

// collect puts the ARC fields of a header into sets and judges their structure
// (RFC 8617 section 5.2 steps 1 to 3). It returns the sets it could make.
func collect(h message.Header) ([]Set, error) {
	sets := make([]Set, 0, 4)
	for _, f := range h.Fields {
		kind := kindOf(f)
		if kind == 0 {
			continue
		}
		i, err := instanceOf(f)
		if err != nil {
			return sets, err
		}
		for len(sets) < i {
			sets = append(sets, Set{Instance: len(sets) + 1})
		}
		if err := sets[i-1].put(kind, f); err != nil {
			return sets, err
		}
	}
	if len(sets) == 0 {
		return nil, errNone
	}
	for i := range sets {
		if err := sets[i].read(); err != nil {
			return sets, fmt.Errorf("set %d: %w", i+1, err)
		}
	}
	return sets, nil
}

type fieldKind int

const (
	resultsField fieldKind = iota + 1
	signatureField
	sealField
)

func kindOf(f message.Field) fieldKind {
	switch {
	case f.Is("ARC-Authentication-Results"):
		return resultsField
	case f.Is("ARC-Message-Signature"):
		return signatureField
	case f.Is("ARC-Seal"):
		return sealField
	}
	return 0
}

// instanceOf reads i=. In ARC-Authentication-Results it comes first, and what
// follows is no tag list (RFC 8617 section 4.1.1).
func instanceOf(f message.Field) (int, error) {
	value := f.Value()
	if kindOf(f) == resultsField {
		value, _, _ = strings.Cut(value, ";")
	}
	tags, _ := dkim.ParseTags(value)
	text, ok := tags.Get("i")
	if !ok {
		return 0, fmt.Errorf("%s has no instance", f.Name())
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 1 || i > maxSets || text[0] == '+' {
		return 0, fmt.Errorf("%s has the instance %.20q, not one of 1 to %d", f.Name(), text, maxSets)
	}
	return i, nil
}

func (s *Set) put(kind fieldKind, f message.Field) error {
	at := &s.seal
	switch kind {
	case resultsField:
		at = &s.results
	case signatureField:
		at = &s.signature
	}
	if at.Raw() != "" {
		return fmt.Errorf("set %d has two %s fields", s.Instance, f.Name())
	}
	*at = f
	return nil
}

// read takes the fields of a complete set apart.
func (s *Set) read() error {
	switch "" {
	case s.results.Raw():
		return errors.New("ARC-Authentication-Results is missing")
	case s.signature.Raw():
		return errors.New("ARC-Message-Signature is missing")
	case s.seal.Raw():
		return errors.New("ARC-Seal is missing")
	}
	_, results, _ := strings.Cut(s.results.Value(), ";")
	s.Results = strings.TrimSpace(results)
	var err error
	if s.Message, err = dkim.ParseARCMessageSignature(s.signature.Body()); err != nil {
		return fmt.Errorf("ARC-Message-Signature: %w", err)
	}
	if s.Seal, err = dkim.ParseARCSeal(s.seal.Body()); err != nil {
		return fmt.Errorf("ARC-Seal: %w", err)
	}
	s.CV, _ = s.Seal.Tags.Get("cv")
	return s.checkCV()
}

// checkCV is RFC 8617 section 5.2 steps 2 and 3.C: a chain begins with none and
// goes on with pass; fail ends it.
func (s *Set) checkCV() error {
	switch cv := strings.ToLower(s.CV); {
	case cv == "fail":
		return errors.New("its handler found the chain broken")
	case s.Instance == 1 && cv != "none":
		return fmt.Errorf("cv= is %.20q where a chain begins with none", s.CV)
	case s.Instance > 1 && cv != "pass":
		return fmt.Errorf("cv= is %.20q where a chain goes on with pass", s.CV)
	}
	return nil
}
