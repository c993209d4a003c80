package check

func webChecks() []Check { return nil }
