package check

func blocklistChecks() []Check { return nil }
