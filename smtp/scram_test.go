package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/allgreen-mail/allgreen/mail"
)

// The oracle of our SCRAM is the client of xdg-go/scram.

// scramLogin runs the conversation of a foreign client over our own.
func scramLogin(t *testing.T, c *Client, mechanism string, conv *scram.ClientConversation) (mail.Reply, error) {
	t.Helper()
	ctx := context.Background()
	first, err := conv.Step("")
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Do(ctx, Command("AUTH "+mechanism+" "+base64.StdEncoding.EncodeToString([]byte(first))))
	for err == nil && reply.IsIntermediate() {
		challenge, decoding := base64.StdEncoding.DecodeString(reply.Text())
		if decoding != nil {
			t.Fatal(decoding)
		}
		answer, step := conv.Step(string(challenge))
		if step != nil {
			t.Fatalf("the client does not like %q: %s", challenge, step)
		}
		reply, err = c.Do(ctx, encoded(answer))
	}
	return reply, err
}

// loginServer is a submission server, and a client that has said EHLO to it over TLS.
func loginServer(t *testing.T, version uint16, mechanisms ...string) (*shelf, *Client) {
	t.Helper()
	s := &shelf{}
	o := ServerOptions{Open: s.openLogin, Submission: true, ImplicitTLS: true, Mechanisms: mechanisms}
	config := withTLS(t, &o)
	config.MaxVersion = version
	_, addr := serveOn(t, o)
	c := dialTest(t, addr, ClientOptions{})
	if err := c.Handshake(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	expect(t, 220)(c.Greet(t.Context()))
	expect(t, 250)(c.Hello(t.Context()))
	return s, c
}

func TestSCRAM(t *testing.T) {
	tests := []struct {
		name, user, password string
		version              uint16
		mechanism            string
		converse             func(*scram.Client, tls.ConnectionState) *scram.ClientConversation
		want                 int
	}{
		{"right", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256", unbound, 235},
		{"second password", testUser, testPassword + "2", tls.VersionTLS13, "SCRAM-SHA-256", unbound, 235},
		{"wrong password", testUser, "wrong", tls.VersionTLS13, "SCRAM-SHA-256", unbound, 535},
		{"wrong user", "nobody@mx.example", testPassword, tls.VersionTLS13, "SCRAM-SHA-256", unbound, 535},
		{"exporter", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256-PLUS", exporter, 235},
		{"exporter in TLS 1.2", testUser, testPassword, tls.VersionTLS12, "SCRAM-SHA-256-PLUS", exporter, 235},
		{"end point", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256-PLUS", serverEndPoint, 235},
		{"end point in TLS 1.2", testUser, testPassword, tls.VersionTLS12, "SCRAM-SHA-256-PLUS", serverEndPoint, 235},
		{"bound, wrong password", testUser, "wrong", tls.VersionTLS13, "SCRAM-SHA-256-PLUS", exporter, 535},
		{"of another channel", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256-PLUS", elsewhere, 535},
		{"unknown binding", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256-PLUS", unique, 535},
		{"PLUS without binding", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256-PLUS", unbound, 535},
		{"deceived about PLUS", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256", deceived, 535},
		{"bound without PLUS", testUser, testPassword, tls.VersionTLS13, "SCRAM-SHA-256", exporter, 535},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := loginServer(t, tt.version, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
			client, err := scram.SHA256.NewClient(tt.user, tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			state, _ := c.TLS()
			conv := tt.converse(client, state)
			expect(t, tt.want)(scramLogin(t, c, tt.mechanism, conv))
			if conv.Valid() != (tt.want == 235) {
				t.Error("the client does not believe the server")
			}
			if tt.want != 235 {
				return
			}
			expect(t, 250)(c.Mail(t.Context(), mail.Address{}, MailOptions{}))
			expect(t, 250)(c.Rcpt(t.Context(), mail.Address{Local: "postmaster"}, RcptOptions{}))
			expect(t, 250)(c.Data(t.Context(), strings.NewReader("x\r\n")))
			if got := s.taken()[0].login; got != tt.user+" by "+tt.mechanism {
				t.Errorf("logged in as %q", got)
			}
		})
	}
}

func unbound(c *scram.Client, _ tls.ConnectionState) *scram.ClientConversation {
	return c.NewConversation()
}

func deceived(c *scram.Client, _ tls.ConnectionState) *scram.ClientConversation {
	return c.NewConversationAdvertisingChannelBinding()
}

func exporter(c *scram.Client, state tls.ConnectionState) *scram.ClientConversation {
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		panic(err)
	}
	return c.NewConversationWithChannelBinding(binding)
}

func elsewhere(c *scram.Client, _ tls.ConnectionState) *scram.ClientConversation {
	return c.NewConversationWithChannelBinding(scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: make([]byte, 32)})
}

func unique(c *scram.Client, _ tls.ConnectionState) *scram.ClientConversation {
	return c.NewConversationWithChannelBinding(scram.ChannelBinding{Type: scram.ChannelBindingTLSUnique, Data: make([]byte, 12)})
}

func serverEndPoint(c *scram.Client, state tls.ConnectionState) *scram.ClientConversation {
	binding, err := scram.NewTLSServerEndpointBinding(&state)
	if err != nil {
		panic(err)
	}
	return c.NewConversationWithChannelBinding(binding)
}
