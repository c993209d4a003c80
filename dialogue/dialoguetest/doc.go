// Package dialoguetest is a house with mailboxes for the tests of servers that are made
// with package dialogue, and a player of written dialogues.
//
//	h := dialoguetest.NewHouse(t)
//	addr := h.Serve(server(h))     // stopped with the test
//	h.Deliver("anna", text)
//	h.Play(addr, false, lines)     // see Play for what the lines mean
package dialoguetest
