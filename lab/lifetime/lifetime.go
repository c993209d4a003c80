package lifetime

import (
	"context"
	"io"
)

// Close closes c when the context ends. The caller must call release when it has
// done with c; release waits for a closing that is under way.
func Close(ctx context.Context, c io.Closer) (release func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		c.Close()
	})
	return func() {
		if !stop() {
			<-closed
		}
	}
}
