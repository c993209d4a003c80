package check

func tlsrptChecks() []Check { return nil }
