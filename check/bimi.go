package check

func bimiChecks() []Check { return nil }
