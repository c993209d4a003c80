// Package storetest opens stores for tests, and says what every engine of package
// store must do.
//
// A package that keeps tables in a store tests them on all engines:
//
//	func TestFolders(t *testing.T) {
//		storetest.Each(t, []store.Schema{mailbox.Schema}, func(t *testing.T, st *store.Store) {
//			...
//		})
//	}
//
// The PostgreSQL server is Debian's, started once per test binary in a temporary
// folder. Where there is none, those tests are skipped, and fail when CI is true.
package storetest
