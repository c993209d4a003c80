// Package managesieve lets mail programs keep the scripts of an account: put, check,
// list, activate, rename, remove.
//
//	s := managesieve.NewServer(managesieve.Options{
//		Name: name, TLS: config, Store: st, Accounts: directory, Log: log, // 4190
//	})
//	err := s.Serve(ctx, listener)
//
// A script that package sieve does not understand is refused with the line and column of
// what is wrong, and the one it was to replace stays. One that is active counts from the
// commit on.
//
// Standards: RFC 5804 (ManageSieve), RFC 4422 (SASL), RFC 8314 (TLS before passwords).
package managesieve
