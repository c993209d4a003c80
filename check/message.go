package check

func messageChecks() []Check { return nil }
