package emloc

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

const (
	// Without an event for so long while the service is away, the failure is passed on.
	giveUpAfter = 60 * time.Second
	firstAgain  = 100 * time.Millisecond
	maxAgain    = 2 * time.Second
)

// watched is how a stream of events is opened, and what of it counts.
type watched[M any] struct {
	// open opens the stream of what comes after a cursor.
	open     func(ctx context.Context, after int64) (grpc.ServerStreamingClient[M], error)
	cursorOf func(*M) int64
}

// from gives every event after a cursor. Where the service goes away, it is watched again after the last event seen.
func (w watched[M]) from(ctx context.Context, after int64) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		cursor := after
		var awaySince time.Time
		again := firstAgain
		for {
			wanted := true
			err := w.once(ctx, cursor, func(message *M) bool {
				cursor, awaySince, again = w.cursorOf(message), time.Time{}, firstAgain
				wanted = yield(message, nil)
				return wanted
			})
			if !wanted || err == nil {
				return
			}
			if awaySince.IsZero() {
				awaySince = time.Now()
			}
			if !isUnavailable(err) || time.Since(awaySince) >= giveUpAfter {
				yield(nil, err)
				return
			}
			if err := sleep(ctx, again/2+rand.N(again/2)); err != nil {
				yield(nil, toError(err, ""))
				return
			}
			again = min(maxAgain, again*2)
		}
	}
}

// events gives them as events; toEvent makes one of a message.
func (w watched[M]) events(ctx context.Context, after int64, toEvent func(*M) Event) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for message, err := range w.from(ctx, after) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !yield(toEvent(message), nil) {
				return
			}
		}
	}
}

// once reads one stream to its end, or until receive wants no more.
func (w watched[M]) once(ctx context.Context, cursor int64, receive func(*M) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.open(ctx, cursor)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !receive(message) {
			return nil
		}
	}
}

// received gives what a stream brings until it ends; the stream is cancelled where the loop over it is left.
func received[M any](
	ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[M], error),
) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		w := watched[M]{open: func(ctx context.Context, _ int64) (grpc.ServerStreamingClient[M], error) { return open(ctx) }}
		if err := w.once(ctx, 0, func(message *M) bool { return yield(message, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// paged gives the items of all pages; next takes a page's token (empty: the first) and gives the next one's.
func paged[T any](next func(token string) (items []T, nextToken string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		token := ""
		for {
			items, nextToken, err := next(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if token = nextToken; token == "" {
				return
			}
		}
	}
}

func isUnavailable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == codes.Unavailable
}

func sleep(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
