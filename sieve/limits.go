package sieve

// Limits bound what a script may cost. A zero field means its default.
type Limits struct {
	Size      int // octets of a script; default 256 KB
	Commands  int // commands and tests of a script; default 4,000
	Depth     int // levels of nested blocks and tests; default 32 (RFC 5228 section 2.10.5 asks for 15)
	Steps     int // octets that are looked at in one run; default 50,000,000
	Actions   int // folders and addresses that one message goes to; default 32
	Redirects int // of them addresses; default 4
	Variables int // variables of a run; default 256 (RFC 5229 section 6 asks for 128)
	Value     int // octets of the value of a variable or a text made of them; default 16 KB (RFC 5229 asks for 4,000)
	Text      int // octets of the body that tests look at; default 1 MB
}

func (l Limits) orDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Size, 256<<10)
	set(&l.Commands, 4000)
	set(&l.Depth, 32)
	set(&l.Steps, 50_000_000)
	set(&l.Actions, 32)
	set(&l.Redirects, 4)
	set(&l.Variables, 256)
	set(&l.Value, 16<<10)
	set(&l.Text, 1<<20)
	return l
}
