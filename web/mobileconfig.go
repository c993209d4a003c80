package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// mobileconfig is a profile for the mail programs of Apple, for one address. It is not
// signed: what signs it would have to be trusted as a person's own, and the profile holds
// no more than the names of servers. Who installs it types the password there.
func (p Public) mobileconfig(w http.ResponseWriter, r *http.Request) {
	address, err := mail.ParseAddress(strings.TrimSpace(r.FormValue("address")))
	in, out := p.best("imap", "pop3"), p.best("smtp")
	switch {
	case err != nil:
		http.Error(w, "name the address: /mail.mobileconfig?address=you@example.com", http.StatusBadRequest)
		return
	case !slices.Contains(p.Domains, address.Domain) || in == nil || out == nil:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-apple-aspen-config")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": address.Domain.String() + ".mobileconfig"}))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(profileOf(address, *in, *out))) // the client may be gone
}

// best is the first server of a kind, the better kind first.
func (p Public) best(protocols ...string) *MailServer {
	for _, protocol := range protocols {
		for i := range p.Servers {
			if p.Servers[i].Protocol == protocol {
				return &p.Servers[i]
			}
		}
	}
	return nil
}

// profileOf writes the property list.
func profileOf(address mail.Address, in, out MailServer) string {
	kind := map[string]string{"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}[in.Protocol]
	account := dict(
		"EmailAccountType", kind, "EmailAddress", address.String(), "EmailAccountDescription", address.Domain.Unicode(),
		"IncomingMailServerAuthentication", "EmailAuthPassword", "IncomingMailServerHostName", in.Host.String(),
		"IncomingMailServerPortNumber", int(in.Port), "IncomingMailServerUseSSL", true, "IncomingMailServerUsername", address.String(),
		"OutgoingMailServerAuthentication", "EmailAuthPassword", "OutgoingMailServerHostName", out.Host.String(),
		"OutgoingMailServerPortNumber", int(out.Port), "OutgoingMailServerUseSSL", true, "OutgoingMailServerUsername", address.String(),
		"OutgoingPasswordSameAsIncomingPassword", true, "SMIMEEnabled", false,
		"PayloadType", "com.apple.mail.managed", "PayloadVersion", 1, "PayloadDisplayName", address.Domain.Unicode(),
		"PayloadIdentifier", identifierOf(address)+".account", "PayloadUUID", uuidOf("account "+address.String()),
	)
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
` + dict(
		"PayloadContent", plist("<array>\n"+string(account)+"</array>"), "PayloadDisplayName", "Mail of "+address.String(),
		"PayloadDescription", "Sets up "+address.String()+" in the mail program.", "PayloadType", "Configuration", "PayloadVersion", 1,
		"PayloadIdentifier", identifierOf(address), "PayloadUUID", uuidOf("profile "+address.String()), "PayloadRemovalDisallowed", false,
	).String() + "</plist>\n"
}

// identifierOf is the domain backwards and the mailbox: the same profile replaces itself.
func identifierOf(address mail.Address) string {
	labels := strings.Split(address.Domain.String(), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + ".mail." + uuidOf(address.String())[:8]
}

// uuidOf is always the same for a text (RFC 9562 section 5.8).
func uuidOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return strings.ToUpper(fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:]))
}

// plist is a piece of a property list that is written already.
type plist string

// String is the text.
func (p plist) String() string { return string(p) }

// dict writes keys and values in turn.
func dict(pairs ...any) plist {
	var b strings.Builder
	b.WriteString("<dict>\n")
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<key>%s</key>", pairs[i])
		switch v := pairs[i+1].(type) {
		case bool:
			fmt.Fprintf(&b, "<%t/>\n", v)
		case int:
			fmt.Fprintf(&b, "<integer>%d</integer>\n", v)
		case plist:
			b.WriteString(string(v) + "\n")
		case string:
			b.WriteString("<string>")
			_ = xml.EscapeText(&b, []byte(v)) // a builder takes everything
			b.WriteString("</string>\n")
		}
	}
	b.WriteString("</dict>\n")
	return plist(b.String())
}
