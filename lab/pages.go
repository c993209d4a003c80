package lab

import "github.com/allgreen-mail/allgreen/lab/host"

// pageDefects are the pages that are not those of a well-run domain, by domain and
// path.
func pageDefects() map[string]map[string]host.Page {
	const html = "text/html; charset=utf-8"
	return map[string]map[string]host.Page{
		"no-imprint.example": {"/": {Type: html, Body: "<!doctype html><title>Soon</title><p>Something great is <a href=/coming>coming</a>.\n"}},
		"bimi-logo.example": {"/bimi/logo.svg": {Type: "image/svg+xml", Body: `<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 64 32">` +
			"<title>wide</title><script>alert(1)</script></svg>\n"}},
		"bimi-evidence.example": {"/bimi/mark.pem": {Type: "application/x-pem-file", Body: "no certificate\n"}},
	}
}
