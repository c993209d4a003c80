package check

func domainChecks() []Check { return nil }
