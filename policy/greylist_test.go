package policy_test

import (
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func TestGreylist(t *testing.T) {
	storetest.Each(t, []store.Schema{policy.Schema}, func(t *testing.T, st *store.Store) {
		o := options(newZone(t, goodZone))
		clock := now
		o.World.Clock = func() time.Time { return clock }
		o.Greylist = st
		p := open(t, o)
		try := func(ip, from, to string, want string) {
			t.Helper()
			s := begin(p, ip, "mail.sender.example")
			s.Mail(mail.MustParseAddress(from), 0)
			if v := rcpt(t, p, s, mail.MustParseAddress(to)); v.Reason != want {
				t.Errorf("%s %s -> %s: %+v, want %q", ip, from, to, v, want)
			}
		}
		const off = "greylist.first"
		try("192.0.2.1", "a@sender.example", "anna@ours.example", off)
		try("192.0.2.1", "a@sender.example", "anna@ours.example", off) // too soon
		try("192.0.2.1", "a@sender.example", "postmaster@ours.example", "role")
		clock = clock.Add(2 * time.Minute)
		try("192.0.2.9", "A@sender.example", "anna@ours.example", "") // the same network
		try("192.0.2.1", "b@sender.example", "anna@ours.example", off)
		try("192.0.2.1", "c@sender.example", "anna@ours.example", off)
		clock = clock.Add(2 * time.Minute)
		try("192.0.2.1", "b@sender.example", "anna@ours.example", "")
		try("192.0.2.1", "c@sender.example", "anna@ours.example", "")
		try("192.0.2.1", "d@sender.example", "anna@ours.example", "") // it came back three times: trusted
		try("198.51.100.7", "e@sender.example", "anna@ours.example", off)
		clock = clock.Add(49 * time.Hour)
		try("198.51.100.7", "e@sender.example", "anna@ours.example", off) // too late
		clock = clock.Add(50 * 24 * time.Hour)
		try("192.0.2.1", "d@sender.example", "anna@ours.example", off) // forgotten
		if n, err := policy.ForgetMeetings(t.Context(), st, clock); err != nil || n == 0 {
			t.Errorf("ForgetMeetings = %d, %v", n, err)
		}
		if n, err := policy.ForgetMeetings(t.Context(), st, clock); err != nil || n != 0 {
			t.Errorf("a second time = %d, %v", n, err)
		}
	})
}
