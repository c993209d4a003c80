package check

func asnChecks() []Check { return nil }
