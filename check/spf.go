package check

func spfChecks() []Check { return nil }
