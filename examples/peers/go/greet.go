// greet ADDRESS NAME: one call with grpc-go; prints the reply. The one message is encoded by hand, so that no generated
// code is needed.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
)

// A message as its bytes.
type raw struct{}

func (raw) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Unmarshal(bytes []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}
func (raw) Name() string { return "proto" }

func main() {
	address, name := os.Args[1], os.Args[2]
	// ANCHOR: dial
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// ANCHOR_END: dial
	// Field 1, a string shorter than 128 bytes.
	request, reply := append([]byte{0x0a, byte(len(name))}, name...), []byte{}
	if err := connection.Invoke(ctx, "/greet.Greeter/SayHello", &request, &reply, grpc.ForceCodec(raw{})); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(reply[2:]))
}
