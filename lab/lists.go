package lab

// lists makes the zones of the blocklists.
func (t zoneTemplates) lists() ([]string, error) { return nil, nil }

// bulkHost is the mail server of all bulk domains.
const bulkHost = "mx.bulk-hosting.test"

func (t zoneTemplates) bulk(n int) ([]string, error) { return nil, nil }
