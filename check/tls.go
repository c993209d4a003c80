package check

func tlsChecks() []Check { return nil }
