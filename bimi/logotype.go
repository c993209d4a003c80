package bimi

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

type pkixExtension = pkix.Extension

// logotype is the subject's logo as a certificate carries it (RFC 3709 section
// 4.1): the file inside a data: URI, and hashes of it.
type logotype struct {
	mediaType string
	data      []byte
	hashes    []hashValue
}

type hashValue struct {
	Algorithm pkix.AlgorithmIdentifier
	Value     []byte
}

// logotypeDetails is LogotypeDetails of RFC 3709.
type logotypeDetails struct {
	MediaType string
	Hashes    []hashValue
	URIs      []string
}

var errLogotype = errors.New("the logotype extension is not as RFC 3709 has it")

// parseLogotype walks LogotypeExtn: subjectLogo [2], direct [0], the first image,
// its details.
func parseLogotype(der []byte) (logotype, error) {
	extension, err := descend(der, asn1.ClassUniversal, asn1.TagSequence)
	if err != nil {
		return logotype{}, err
	}
	subject, err := descend(extension, asn1.ClassContextSpecific, 2)
	if err != nil {
		return logotype{}, err
	}
	direct, err := descend(subject, asn1.ClassContextSpecific, 0)
	if err != nil {
		return logotype{}, err
	}
	images, err := descend(direct, asn1.ClassUniversal, asn1.TagSequence)
	if err != nil {
		return logotype{}, err
	}
	image, err := descend(images, asn1.ClassUniversal, asn1.TagSequence)
	if err != nil {
		return logotype{}, err
	}
	var details logotypeDetails
	if _, err := asn1.Unmarshal(image, &details); err != nil {
		return logotype{}, fmt.Errorf("%w: %s", errLogotype, err)
	}
	return details.open()
}

// descend finds the first element with this tag among those of der and returns
// what is inside.
func descend(der []byte, class, tag int) ([]byte, error) {
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", errLogotype, err)
		}
		if v.Class == class && v.Tag == tag && v.IsCompound {
			return v.Bytes, nil
		}
		der = rest
	}
	return nil, errLogotype
}

func (d logotypeDetails) open() (logotype, error) {
	l := logotype{mediaType: d.MediaType, hashes: d.Hashes}
	for _, uri := range d.URIs {
		meta, payload, ok := strings.Cut(strings.TrimPrefix(uri, "data:"), ",")
		if !ok || !strings.HasPrefix(uri, "data:") {
			continue
		}
		if !strings.HasSuffix(meta, ";base64") {
			text, err := url.PathUnescape(payload)
			l.data = []byte(text)
			return l, err
		}
		data, err := base64.StdEncoding.DecodeString(payload)
		l.data = data
		return l, err
	}
	return l, fmt.Errorf("%w: there is no data: URI", errLogotype)
}

// The hash algorithms a logotype may name.
var (
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// hashHolds reports whether every hash that is known fits the file, as it came or
// unpacked, and one better than SHA-1 is there.
func (l logotype) hashHolds() bool {
	unpacked, err := unpack(l.data)
	if err != nil {
		return false
	}
	strong := false
	for _, h := range l.hashes {
		algorithm := h.Algorithm.Algorithm
		sum := digest(algorithm, l.data)
		if sum == nil {
			continue
		}
		if !bytes.Equal(sum, h.Value) && !bytes.Equal(digest(algorithm, unpacked), h.Value) {
			return false
		}
		strong = strong || !algorithm.Equal(oidSHA1)
	}
	return strong
}

func digest(algorithm asn1.ObjectIdentifier, data []byte) []byte {
	switch {
	case algorithm.Equal(oidSHA1):
		sum := sha1.Sum(data)
		return sum[:]
	case algorithm.Equal(oidSHA256):
		sum := sha256.Sum256(data)
		return sum[:]
	case algorithm.Equal(oidSHA384):
		sum := sha512.Sum384(data)
		return sum[:]
	case algorithm.Equal(oidSHA512):
		sum := sha512.Sum512(data)
		return sum[:]
	}
	return nil
}
