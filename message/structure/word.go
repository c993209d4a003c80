package structure

import "sync"

// words are those that most parts have. Their places are part of the encoding: new
// ones come at the end, and none ever goes.
var words = [...]string{
	"text", "plain", "html", "7bit", "8bit", "quoted-printable", "base64", "binary",
	"charset", "utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1", "windows-1252",
	"multipart", "mixed", "alternative", "related", "signed", "report", "digest", "boundary",
	"type", "text/html", "text/plain", "multipart/alternative", "format", "flowed", "delsp", "yes",
	"name", "name*", "filename", "filename*", "attachment", "inline", "size", "creation-date",
	"message", "rfc822", "delivery-status", "disposition-notification", "report-type", "application", "octet-stream", "pdf",
	"image", "png", "jpeg", "gif", "calendar", "method", "REQUEST", "protocol",
	"application/pgp-signature", "pgp-signature", "pkcs7-signature", "micalg", "audio", "video", "zip", "modification-date",
}

// wordNumber is the place of s among the words, -1 when it is none of them.
func wordNumber(s string) int {
	if len(s) > 25 {
		return -1
	}
	if n, ok := wordNumbers()[s]; ok {
		return n
	}
	return -1
}

var wordNumbers = sync.OnceValue(func() map[string]int {
	m := make(map[string]int, len(words))
	for i, w := range words {
		m[w] = i
	}
	return m
})
