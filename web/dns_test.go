package web

import (
	"context"
	"errors"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/zone"
)

func TestDNS(t *testing.T) {
	wanted := []DomainRecords{{"example.com", []finding.Record{{Name: "example.com.", Type: "MX", Value: "10 mx.example.com."}}}, {"example.org", []finding.Record{}}}
	a := Administration{Metrics: NewMetrics(), Records: func() []DomainRecords { return wanted }, Compare: func(_ context.Context, d DomainRecords) ([]zone.Step, error) {
		if d.Domain == "example.org" {
			return nil, errors.New("nobody answers")
		}
		return []zone.Step{{Status: zone.Add, Name: "example.com.", Type: "MX", Wanted: []string{d.Records[0].Value}}}, nil
	}}
	o := office{Client: NewClientOf(a.Handler())}
	if all := do(t, o, DNSRecords, None{}); len(all) != 2 || len(all[0].Records) != 1 {
		t.Errorf("records: %+v", all)
	}
	if steps := do(t, o, DNSDiff, DomainName{"example.com"}); len(steps) != 1 || steps[0].Status != zone.Add || steps[0].Present == nil {
		t.Errorf("steps: %+v", steps)
	}
	fails(t, o, DNSDiff, DomainName{"example.org"}, Temporary)
	fails(t, o, DNSDiff, DomainName{"example.net"}, NotFound)
}
