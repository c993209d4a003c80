package check

func dkimChecks() []Check { return nil }
