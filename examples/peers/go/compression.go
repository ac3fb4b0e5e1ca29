package main

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
)

// The header of a message: a flag and its length.
const headerLength = 5

// Whether each message that a call received was compressed. grpc-go does not say it, but its statistics have the length
// of a message on the wire and the one after decompression.
type compressed struct {
	mutex    sync.Mutex
	messages []bool
}

type compressedKey struct{}

func withCompressed(ctx context.Context) (context.Context, *compressed) {
	seen := new(compressed)
	return context.WithValue(ctx, compressedKey{}, seen), seen
}

// Whether the last message of a call of the server was compressed.
func lastCompressed(ctx context.Context) bool {
	seen := ctx.Value(compressedKey{}).(*compressed).all()
	return len(seen) > 0 && seen[len(seen)-1]
}

func (seen *compressed) all() []bool {
	seen.mutex.Lock()
	defer seen.mutex.Unlock()
	return seen.messages
}

type compressionWatch struct{}

func (compressionWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if ctx.Value(compressedKey{}) == nil {
		ctx, _ = withCompressed(ctx)
	}
	return ctx
}

func (compressionWatch) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if payload, ok := event.(*stats.InPayload); ok {
		seen := ctx.Value(compressedKey{}).(*compressed)
		seen.mutex.Lock()
		defer seen.mutex.Unlock()
		seen.messages = append(seen.messages, payload.WireLength-headerLength != payload.Length)
	}
}

func (compressionWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (compressionWatch) HandleConn(context.Context, stats.ConnStats) {}
