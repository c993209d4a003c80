package check

func egressChecks() []Check { return nil }
