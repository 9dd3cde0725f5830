// Package ctxerr makes the error of a context that has ended.
package ctxerr

import (
	"context"
	"fmt"
)

// Of returns ctx.Err(), joined with the context's cause when that is another error, so that
// callers can match either.
func Of(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == cause {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
