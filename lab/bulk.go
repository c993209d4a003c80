package lab

import "fmt"

// bulkHost is the mail server of all bulk domains.
const bulkHost = "mx.bulk-hosting.test"

// BulkDomain is the name of one of the domains that Options.Bulk asks for,
// counted from 1.
func BulkDomain(i int) string { return fmt.Sprintf("bulk-%04d.test", i) }

// bulk makes the zones of n domains.
func (t zoneTemplates) bulk(n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	hosting, err := t.text("bulk-hosting.tmpl", nil)
	texts := []string{hosting}
	for i := 1; i <= n && err == nil; i++ {
		var text string
		text, err = t.text("bulk.tmpl", BulkDomain(i))
		texts = append(texts, text)
	}
	return texts, err
}
