package srs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/srs"
)

var (
	key  = srs.Key("0123456789abcdef")
	ours = mail.MustParseDomain("forward.example")
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

func TestRewriteAndReverse(t *testing.T) {
	long := strings.Repeat("a", 60)
	for _, tt := range []struct {
		name, from string
		owner      srs.Owner
		shape      string // how the local part begins
		original   string // "" where it cannot be carried
	}{
		{"plain", "joe@example.net", 7, "SRS0=", "joe@example.net"},
		{"the admin", "joe@example.net", 0, "SRS0=", "joe@example.net"},
		{"a large owner", "j@example.net", 1<<62 + 5, "SRS0=", "j@example.net"},
		{"equals signs", "joe=x=y@example.net", 7, "SRS0=", "joe=x=y@example.net"},
		{"capitals", "Joe.Public@Example.NET", 7, "SRS0=", "Joe.Public@example.net"},
		{"another forwarder", "SRS0=abcd=zz=example.net=joe@first.example", 7, "SRS1=", "SRS0=abcd=zz=example.net=joe@first.example"},
		{"the third forwarder", "SRS1=hash=first.example==abcd=zz=example.net=joe@second.example", 7, "SRS1=", "SRS0=abcd=zz=example.net=joe@first.example"},
		{"another separator", "SRS0+abcd=zz=example.net=joe@first.example", 7, "SRS1=", "SRS0=abcd=zz=example.net=joe@first.example"},
		{"a long local part", long + "@example.net", 7, "SRS0=", ""},
		{"a long domain", "joe@" + strings.Repeat("a", 60) + ".example", 7, "SRS0=", ""},
		{"quoted", `"joe public"@example.net`, 7, "SRS0=", ""},
		{"a literal", "joe@[192.0.2.1]", 7, "SRS0=", ""},
		{"UTF-8", "jörg@example.net", 7, "SRS0=", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := key.Rewrite(mail.MustParseAddress(tt.from), tt.owner, ours, now)
			if a.Domain != ours || !strings.HasPrefix(a.Local, tt.shape) || !srs.Is(a) {
				t.Fatalf("Rewrite = %s, want %s...@%s", a, tt.shape, ours)
			}
			if _, err := mail.ParseAddress(a.String()); err != nil || strings.Contains(a.String(), `"`) {
				t.Fatalf("%s is not an unquoted address: %v", a, err)
			}
			for _, local := range []string{a.Local, strings.ToLower(a.Local), strings.ToUpper(a.Local)} {
				r, err := key.Reverse(mail.Address{Local: local, Domain: ours}, now.AddDate(0, 0, 20))
				if err != nil || r.Owner != tt.owner || !strings.EqualFold(r.Original.String(), tt.original) {
					t.Errorf("Reverse(%s) = %s, %d, %v", local, r.Original, r.Owner, err)
				}
			}
		})
	}
}

func TestReverseRefuses(t *testing.T) {
	good := key.Rewrite(mail.MustParseAddress("joe@example.net"), 7, ours, now)
	again := key.Rewrite(mail.MustParseAddress("SRS0=abcd=zz=example.net=joe@first.example"), 7, ours, now)
	with := func(a mail.Address, local string) mail.Address { a.Local = local; return a }
	for _, tt := range []struct {
		name string
		a    mail.Address
		key  srs.Key
		at   time.Time
		want error
	}{
		{"no SRS", mail.MustParseAddress("srsly@forward.example"), key, now, srs.ErrNone},
		{"SRS2", mail.MustParseAddress("SRS2=a=b=c=d@forward.example"), key, now, srs.ErrNone},
		{"expired", good, key, now.AddDate(0, 0, 22), srs.ErrExpired},
		{"expired, second hand", again, key, now.AddDate(0, 0, 22), srs.ErrExpired},
		{"from the future", good, key, now.AddDate(0, 0, -2), srs.ErrExpired},
		{"another key", good, srs.Key("another key, as long"), now, srs.ErrUnsigned},
		{"no key", good, nil, now, srs.ErrUnsigned},
		{"another sender", with(good, strings.Replace(good.Local, "joe", "jim", 1)), key, now, srs.ErrUnsigned},
		{"another kind", with(good, "SRS1"+good.Local[4:]), key, now, srs.ErrUnsigned},
		{"another domain", mail.Address{Local: good.Local, Domain: mail.MustParseDomain("other.example")}, key, now, srs.ErrUnsigned},
		{"another separator", with(good, "SRS0+"+good.Local[5:]), key, now, srs.ErrUnsigned},
		{"no fields", with(good, "SRS0=x"), key, now, srs.ErrUnsigned},
		{"made up", with(good, "SRS0=aaaaaaaa7=aa=example.net=joe"), key, now, srs.ErrUnsigned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.key.Reverse(tt.a, tt.at); !errors.Is(err, tt.want) {
				t.Errorf("Reverse(%s) = %v, want %v", tt.a, err, tt.want)
			}
		})
	}
}

func TestNullPathStays(t *testing.T) {
	if a := key.Rewrite(mail.Address{}, 7, ours, now); !a.IsZero() {
		t.Errorf("Rewrite of the null reverse-path = %s", a)
	}
}

// FuzzReverse holds that nothing makes Reverse panic, and that what it takes back
// was made with the key.
func FuzzReverse(f *testing.F) {
	f.Add(key.Rewrite(mail.MustParseAddress("joe@example.net"), 7, ours, now).Local)
	f.Add("SRS1=aaaaaaaaaa7=first.example==x=y=z=j")
	f.Add("SRS0=aaaaaaaa=")
	f.Fuzz(func(t *testing.T, local string) {
		a := mail.Address{Local: local, Domain: ours}
		r, err := key.Reverse(a, now)
		if err == nil && !strings.Contains(strings.ToLower(local), "=") {
			t.Errorf("%q came back as %v", local, r)
		}
	})
}

// FuzzRewrite holds that every address that can be a sender comes back.
func FuzzRewrite(f *testing.F) {
	f.Add("joe@example.net", int64(7))
	f.Add("SRS1=hash=first.example==abcd=zz=example.net=joe@second.example", int64(1)<<62)
	f.Add("SRS1=x@second.example", int64(0))
	f.Fuzz(func(t *testing.T, from string, owner int64) {
		a, err := mail.ParseAddress(from)
		if err != nil || owner < 0 {
			return
		}
		back := key.Rewrite(a, srs.Owner(owner), ours, now)
		if _, err := mail.ParseAddress(back.String()); err != nil {
			t.Fatalf("%s became %s: %s", a, back, err)
		}
		if r, err := key.Reverse(back, now); err != nil || int64(r.Owner) != owner {
			t.Errorf("%s became %s, and that %v, %v", a, back, r, err)
		}
	})
}
