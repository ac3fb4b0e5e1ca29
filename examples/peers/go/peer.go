// The peer of the interoperability tests in Go, on grpc-go as Debian has it.
//
//	peer version                    the versions of grpc-go and of Go
//	peer serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//	peer call ADDRESS [CASE...]     gRPC's interoperability cases, or the `--extended` ones, a line each; exits with 1
//	                                when one fails
//	peer greet ADDRESS NAME         one call; prints the reply
//
// `--max-message-size BYTES` is for `serve` and `call`, `--max-connection-age SECONDS` for `serve`. Without them, server
// and connection have grpc-go's own options.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"greet"
	"testing_pb"
)

const usage = `usage: peer version | serve ADDRESS... [--max-connection-age SECONDS] |
call ADDRESS [--extended | CASE...] | greet ADDRESS NAME; with [--max-message-size BYTES]`

type options struct {
	words            []string
	extended         bool
	maxMessageSize   int
	maxConnectionAge int
}

func parse(arguments []string) (options, error) {
	var parsed options
	for i := 0; i < len(arguments); i++ {
		var number *int
		switch arguments[i] {
		case "--extended":
			parsed.extended = true
			continue
		case "--max-message-size":
			number = &parsed.maxMessageSize
		case "--max-connection-age":
			number = &parsed.maxConnectionAge
		default:
			parsed.words = append(parsed.words, arguments[i])
			continue
		}
		i++
		if i == len(arguments) {
			return parsed, fmt.Errorf("a number is missing")
		}
		value, err := strconv.Atoi(arguments[i])
		if err != nil {
			return parsed, err
		}
		*number = value
	}
	return parsed, nil
}

// The network of package net and the address in it.
func split(address string) (string, string) {
	scheme := strings.SplitN(address, ":", 2)
	switch {
	case len(scheme) < 2:
		return "tcp", address
	case scheme[0] == "unix-abstract":
		// Package net writes an abstract name like this.
		return "unix", "@" + scheme[1]
	default:
		return scheme[0], scheme[1]
	}
}

// This version of grpc-go takes a TCP address without a scheme, and an abstract name as package net writes it.
func target(address string) string {
	network, rest := split(address)
	if network == "unix" {
		return "unix:" + rest
	}
	return rest
}

func serve(parsed options) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)

	serverOptions := []grpc.ServerOption{grpc.StatsHandler(compressionWatch{})}
	if parsed.maxMessageSize > 0 {
		serverOptions = append(serverOptions, grpc.MaxRecvMsgSize(parsed.maxMessageSize))
	}
	if parsed.maxConnectionAge > 0 {
		age := time.Duration(parsed.maxConnectionAge) * time.Second
		serverOptions = append(serverOptions, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: age}))
	}
	server := grpc.NewServer(serverOptions...)
	greet.RegisterGreeterServer(server, greeter{})
	testing_pb.RegisterTestServiceServer(server, &interop{})
	healthServer := health.NewServer()
	healthServer.SetServingStatus("grpc.testing.TestService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthServer)
	reflection.Register(server)

	failed := make(chan error, 1)
	for _, address := range parsed.words[1:] {
		network, local := split(address)
		listener, err := net.Listen(network, local)
		if err != nil {
			return err
		}
		if network == "tcp" {
			// With port 0, the system chose another.
			address = "tcp:" + listener.Addr().String()
		}
		fmt.Println("listening on " + address)
		go func() { failed <- server.Serve(listener) }()
	}

	select {
	case err := <-failed:
		return err
	case <-stop:
	}
	force := time.AfterFunc(5*time.Second, server.Stop)
	server.GracefulStop()
	force.Stop()
	return nil
}

func sayHello(address, name string) error {
	// ANCHOR: dial
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		return err
	}
	// ANCHOR_END: dial
	// ANCHOR: greet
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	reply, err := greet.NewGreeterClient(connection).SayHello(ctx, &greet.HelloRequest{Name: name})
	if err != nil {
		return err
	}
	fmt.Println(reply.Message)
	// ANCHOR_END: greet
	return nil
}

func call(parsed options) error {
	dialOptions := []grpc.DialOption{grpc.WithInsecure(), grpc.WithStatsHandler(compressionWatch{})}
	if parsed.maxMessageSize > 0 {
		dialOptions = append(dialOptions, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(parsed.maxMessageSize)))
	}
	connection, err := grpc.Dial(target(parsed.words[1]), dialOptions...)
	if err != nil {
		return err
	}
	return runCases(connection, parsed.words[2:], parsed.extended)
}

// A reason to exit with another code than 1.
type exitCode struct {
	code int
	why  string
}

func (exit exitCode) Error() string { return exit.why }

func run(arguments []string) error {
	parsed, err := parse(arguments)
	if err != nil {
		return err
	}
	words := parsed.words
	for _, word := range words {
		if strings.HasPrefix(word, "npipe:") {
			return exitCode{2, "not applicable: grpc-go has no named pipes"}
		}
	}
	switch {
	case len(words) == 1 && words[0] == "version":
		fmt.Printf("grpc-go %s, Go %s\n", grpc.Version, strings.TrimPrefix(runtime.Version(), "go"))
		return nil
	case len(words) > 1 && words[0] == "serve":
		return serve(parsed)
	case len(words) > 1 && words[0] == "call":
		return call(parsed)
	case len(words) == 3 && words[0] == "greet":
		return sayHello(target(words[1]), words[2])
	}
	return exitCode{2, usage}
}

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	if exit, ok := err.(exitCode); ok {
		os.Exit(exit.code)
	}
	os.Exit(1)
}
