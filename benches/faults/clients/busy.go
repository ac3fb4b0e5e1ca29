// busy ADDRESS: the client of the scenario `busy` with grpc-go, on one connection. clients/busy.py describes it.
// The messages are encoded by hand, so that no generated code is needed.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const forever = 3600000

// A message as its bytes.
type raw struct{}

func (raw) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Unmarshal(bytes []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}
func (raw) Name() string { return "proto" }

// Counts the calls that end with a code, and waits for them.
type calls struct {
	connection *grpc.ClientConn
	all        sync.WaitGroup
	ended      int64
}

func wait(ctx context.Context, connection *grpc.ClientConn, milliseconds uint64) error {
	message := make([]byte, 1+binary.MaxVarintLen64)
	message[0] = 0x08
	request, reply := message[:1+binary.PutUvarint(message[1:], milliseconds)], []byte{}
	return connection.Invoke(ctx, "/faults.Ledger/Wait", &request, &reply, grpc.ForceCodec(raw{}))
}

func (c *calls) begin(ctx context.Context, milliseconds uint64, expected codes.Code) {
	c.all.Add(1)
	go func() {
		defer c.all.Done()
		if status.Code(wait(ctx, c.connection, milliseconds)) == expected {
			atomic.AddInt64(&c.ended, 1)
		}
	}()
}

func (c *calls) deadlines(count int) {
	for i := 0; i < count; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		c.begin(ctx, forever, codes.DeadlineExceeded)
	}
	c.all.Wait()
}

func (c *calls) cancels(perSecond, count int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	cancelEarlier := func() {}
	for begun := 0; begun < count; {
		ctx, cancel := context.WithCancel(context.Background())
		for i := 0; i < perSecond/100 && begun < count; i++ {
			c.begin(ctx, forever, codes.Canceled)
			begun++
		}
		cancelEarlier()
		cancelEarlier = cancel
		<-tick.C
	}
	cancelEarlier()
	c.all.Wait()
}

func (c *calls) answered(count int) {
	for i := 0; i < count; i++ {
		c.begin(context.Background(), 500, codes.OK)
	}
	c.all.Wait()
}

func main() {
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure())
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = wait(ctx, connection, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	held := make(chan error, 1)
	go func() { held <- wait(context.Background(), connection, forever) }()
	fmt.Println("connected")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var name string
		var first, second int
		fmt.Sscan(lines.Text(), &name, &first, &second)
		c := calls{connection: connection}
		switch name {
		case "deadlines":
			c.deadlines(first)
		case "cancels":
			c.cancels(first, second)
		case "calls":
			c.answered(first)
		}
		select {
		case err := <-held:
			fmt.Println(c.ended, "and the open call has ended:", err)
		default:
			fmt.Println(c.ended, "and open")
		}
	}
}
