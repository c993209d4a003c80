package mailauth

import (
	"cmp"
	"encoding/json"

	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// The names below are the contract of `allgreen verify --json`: more may come, none
// may go.

type resultsJSON struct {
	IPRev IPRev      `json:"iprev"`
	SPF   spfJSON    `json:"spf"`
	DKIM  []dkimJSON `json:"dkim"`
	DMARC dmarcJSON  `json:"dmarc"`
	ARC   arcJSON    `json:"arc"`
	Field string     `json:"authentication_results"`
}

type spfJSON struct {
	Result   spf.Result     `json:"result"`
	HELO     spf.Evaluation `json:"helo"`
	MailFrom spf.Evaluation `json:"mailfrom"`
}

type dkimJSON struct {
	Result           string `json:"result"`
	Domain           string `json:"domain"`
	Selector         string `json:"selector"`
	Algorithm        string `json:"algorithm"`
	Bits             int    `json:"bits"`
	Reason           string `json:"reason"`
	Identity         string `json:"identity,omitempty"`
	Canonicalization string `json:"canonicalization,omitempty"`
	Testing          bool   `json:"testing,omitempty"`
	UnsignedOctets   int64  `json:"unsigned_octets,omitempty"`
}

type dmarcJSON struct {
	Result       string        `json:"result"`
	Domain       string        `json:"domain"` // the author's
	Policy       dmarc.Policy  `json:"policy"` // as published; "" without one
	Disposition  dmarc.Policy  `json:"disposition"`
	SPFAligned   bool          `json:"spf_aligned"`
	DKIMAligned  bool          `json:"dkim_aligned"`
	Applied      dmarc.Policy  `json:"applied_policy"` // after test mode
	PolicySource dmarc.Source  `json:"policy_source,omitempty"`
	PolicyDomain string        `json:"policy_domain"`
	OrgDomain    string        `json:"org_domain"`
	Reasons      []string      `json:"reasons"`
	Trace        []string      `json:"trace"`
	Aligned      []alignedJSON `json:"identifiers"`
}

type alignedJSON struct {
	Method  string `json:"method"`
	Domain  string `json:"domain"`
	Result  string `json:"result"`
	Mode    string `json:"mode"`
	Aligned bool   `json:"aligned"`
}

type arcJSON struct {
	Result string       `json:"result"`
	Reason string       `json:"reason"`
	Sets   []arcSetJSON `json:"sets"`
}

type arcSetJSON struct {
	Instance int    `json:"instance"`
	Domain   string `json:"domain"` // who sealed it
	CV       string `json:"cv"`
	Results  string `json:"authentication_results"` // what the sealer claims
}

// MarshalJSON writes the object that `allgreen verify` prints.
func (r Results) MarshalJSON() ([]byte, error) {
	out := resultsJSON{
		IPRev: r.IPRev,
		SPF:   spfJSON{r.SPF.Result, r.SPF.HELO, r.SPF.MailFrom},
		DKIM:  make([]dkimJSON, len(r.DKIM)),
		DMARC: dmarcView(r.DMARC),
		ARC:   arcView(r.ARC),
		Field: r.Field().String(),
	}
	for i, s := range r.DKIM {
		out.DKIM[i] = dkimView(s)
	}
	return json.Marshal(out)
}

func dkimView(s dkim.Verification) dkimJSON {
	return dkimJSON{Result: s.Result.String(), Domain: s.Domain.String(), Selector: s.Selector, Algorithm: string(s.Algorithm), Bits: s.Bits,
		Reason: s.Reason, Identity: s.AUID, Canonicalization: s.Canonicalization, Testing: s.Testing, UnsignedOctets: s.Unsigned}
}

func dmarcView(e dmarc.Evaluation) dmarcJSON {
	out := dmarcJSON{Result: string(e.Result), Domain: e.Author.String(), Policy: e.Published, Disposition: e.Disposition,
		SPFAligned: e.SPFAligned, DKIMAligned: e.DKIMAligned, Applied: e.Applied, PolicySource: e.Discovery.Source,
		PolicyDomain: e.Discovery.PolicyDomain().String(), OrgDomain: e.Discovery.OrgDomain.String(),
		Reasons: e.Reasons, Trace: e.Discovery.Walk.Trace(), Aligned: make([]alignedJSON, len(e.Identifiers))}
	for i, a := range e.Identifiers {
		out.Aligned[i] = alignedJSON{a.Method, a.Identifier.Domain.String(), a.Identifier.Result, a.Mode.String(), a.Holds}
	}
	return out
}

func arcView(c arc.Chain) arcJSON {
	out := arcJSON{Result: c.Result.String(), Reason: c.Reason, Sets: make([]arcSetJSON, len(c.Sets))}
	for i, s := range c.Sets {
		out.Sets[i] = arcSetJSON{Instance: s.Instance, CV: s.CV, Results: s.Results}
		if s.Seal != nil {
			out.Sets[i].Domain = s.Seal.Domain.String()
		}
	}
	return out
}

// MarshalJSON writes the iprev part of `allgreen verify`.
func (v IPRev) MarshalJSON() ([]byte, error) {
	type name struct {
		Name      string   `json:"name"`
		Addresses []string `json:"addresses"`
		Matches   bool     `json:"matches"`
		Error     string   `json:"error,omitempty"`
	}
	names := make([]name, len(v.Names))
	for i, n := range v.Names {
		names[i] = name{Name: n.Name.Text(), Matches: n.Matches, Addresses: make([]string, len(n.Addresses))}
		for j, ip := range n.Addresses {
			names[i].Addresses[j] = ip.String()
		}
		if n.Err != nil {
			names[i].Error = n.Err.Error()
		}
	}
	out := struct {
		Result string `json:"result"`
		IP     string `json:"ip"`
		Name   string `json:"name"`
		Names  []name `json:"names"`
		Reason string `json:"reason"`
	}{Result: cmp.Or(string(v.Result), "none"), Names: names, Reason: v.Reason}
	if v.IP.IsValid() {
		out.IP = v.IP.String()
	}
	if v.Name != "" {
		out.Name = v.Name.Text()
	}
	return json.Marshal(out)
}
