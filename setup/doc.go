// Package setup takes a machine with nothing, and a domain, to all green: in stages that
// can be stopped, resumed and repeated without harm.
//
//	s := setup.New(setup.Options{Domain: domain, World: w, House: house, Desk: desk, Data: "/var/lib/allgreen"})
//	result, err := s.Run(ctx)
//
// # Stages
//
// Machine looks at the address that others see, port 25, the PTR record, the clock, the
// ports and the resolver. Names writes the configuration, makes the keys and the first
// account. Records publishes what the domain wants, or shows it for a person to paste, and
// waits until the domain's own name servers show it. First sends a message to oneself and
// shows the verdict on it. Move brings the mail here of a domain that has it elsewhere, if
// a person wants that. Then the checks are asked again and again until nothing is left to
// do.
//
// A stage looks before it acts, and acts only on what does not hold: running it again is
// how it is resumed. What was done, when, and how to take it back stands in the State, a
// file in the data folder, written before and after each act.
//
// # What setup leaves to others
//
// The configuration, the server and its accounts belong to the program around it, which
// offers them as a House; a person at a terminal, or a script, is the Desk. So the same
// stages run on the command line, in tests, and in the lab.
package setup
