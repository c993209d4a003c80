package check

func mtastsChecks() []Check { return nil }
