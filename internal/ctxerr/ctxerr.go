// Package ctxerr makes the error of a context that has ended.
package ctxerr

import (
	"context"
	"errors"
	"fmt"
)

// Of returns why ctx has ended, nil while it has not. The error matches both ctx.Err()
// and context.Cause(ctx) with [errors.Is]; it is ctx.Err() itself without a cause of its own.
func Of(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
