package store

import "time"

// Now is the time of the store's clock, for rows that say when they were made.
func (tx *Tx) Now() time.Time { return tx.store.options.Clock() }
