// Package lifetime answers how long a socket lives: as long as its context. The
// connections and listeners of the lab end with it, and no goroutine is left
// behind.
//
//	defer lifetime.Close(ctx, conn)() // a cancelled context ends the reading of conn
package lifetime
