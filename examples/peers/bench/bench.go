// `ipc.bench.Bench` in Go, on grpc-go.
//
//	bench serve ADDRESS                    prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//	bench bench ADDRESS SECONDS SHAPE...   measures kinds of calls, two lines each (`benches/shapes`)
//	bench version                          prints the versions
//
// The shapes are unary-IN_FLIGHT-BYTES, download-BYTES, upload-BYTES and connect-BYTES.
package main

import (
	"bench_pb"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

const (
	transfer = 32 * 1024 * 1024
	maximum  = 20_000
)

type server struct{}

func (server) Echo(_ context.Context, chunk *bench_pb.Chunk) (*bench_pb.Chunk, error) {
	return chunk, nil
}

func (server) Download(request *bench_pb.Transfer, stream bench_pb.Bench_DownloadServer) error {
	chunk := &bench_pb.Chunk{Payload: make([]byte, request.Size)}
	for i := uint32(0); i < request.Count; i++ {
		if err := stream.Send(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (server) Upload(stream bench_pb.Bench_UploadServer) error {
	total := &bench_pb.Total{}
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(total)
		}
		if err != nil {
			return err
		}
		total.Count++
		total.Bytes += uint64(len(chunk.Payload))
	}
}

func (server) Exchange(stream bench_pb.Bench_ExchangeServer) error {
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(chunk); err != nil {
			return err
		}
	}
}

func serve(address string) {
	listener, err := net.Listen("unix", strings.TrimPrefix(address, "unix:"))
	check(err)
	registered := grpc.NewServer()
	bench_pb.RegisterBenchServer(registered, server{})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		registered.GracefulStop()
	}()
	fmt.Println("listening on", address)
	check(registered.Serve(listener))
}

func connect(address string) *grpc.ClientConn {
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	check(err)
	return connection
}

func unary(client bench_pb.BenchClient, end time.Time, inFlight, size int) []time.Duration {
	chunk := &bench_pb.Chunk{Payload: make([]byte, size)}
	latencies := make([][]time.Duration, inFlight)
	var callers sync.WaitGroup
	for caller := range latencies {
		callers.Add(1)
		go func(own *[]time.Duration) {
			defer callers.Done()
			for begin := time.Now(); begin.Before(end); {
				answer, err := client.Echo(context.Background(), chunk)
				check(err)
				equal(len(answer.Payload), size)
				now := time.Now()
				*own = append(*own, now.Sub(begin))
				begin = now
			}
		}(&latencies[caller])
	}
	callers.Wait()
	var all []time.Duration
	for _, own := range latencies {
		all = append(all, own...)
	}
	return all
}

func download(client bench_pb.BenchClient, end time.Time, size int) (received int) {
	for time.Now().Before(end) {
		request := &bench_pb.Transfer{Count: uint32(messages(size)), Size: uint32(size)}
		stream, err := client.Download(context.Background(), request)
		check(err)
		for {
			chunk, err := stream.Recv()
			if err == io.EOF {
				break
			}
			check(err)
			equal(len(chunk.Payload), size)
			received++
		}
	}
	return received
}

func upload(client bench_pb.BenchClient, end time.Time, size int) (sent int) {
	chunk := &bench_pb.Chunk{Payload: make([]byte, size)}
	for time.Now().Before(end) {
		stream, err := client.Upload(context.Background())
		check(err)
		for i := 0; i < messages(size); i++ {
			check(stream.Send(chunk))
		}
		total, err := stream.CloseAndRecv()
		check(err)
		equal(int(total.Count), messages(size))
		sent += messages(size)
	}
	return sent
}

func connections(address string, end time.Time, size int) (latencies []time.Duration) {
	for time.Now().Before(end) {
		begin := time.Now()
		connection := connect(address)
		chunk := &bench_pb.Chunk{Payload: make([]byte, size)}
		_, err := bench_pb.NewBenchClient(connection).Echo(context.Background(), chunk)
		check(err)
		latencies = append(latencies, time.Since(begin))
		check(connection.Close())
	}
	return latencies
}

func messages(size int) int {
	if size*maximum < transfer {
		return maximum
	}
	return transfer / size
}

func measure(address string, client bench_pb.BenchClient, shape string, duration time.Duration) string {
	words := strings.Split(shape, "-")
	var numbers []int
	for _, word := range words[1:] {
		number, err := strconv.Atoi(word)
		check(err)
		numbers = append(numbers, number)
	}
	begin := time.Now()
	end := begin.Add(duration)
	var count int
	var latencies []time.Duration
	switch words[0] {
	case "unary":
		latencies = unary(client, end, numbers[0], numbers[1])
		count = len(latencies)
	case "connect":
		latencies = connections(address, end, numbers[0])
		count = len(latencies)
	case "download":
		count = download(client, end, numbers[0])
	case "upload":
		count = upload(client, end, numbers[0])
	default:
		check(fmt.Errorf("%s: there is no such kind of call", shape))
	}
	figures := fmt.Sprintf("count %d seconds %.6f", count, time.Since(begin).Seconds())
	sort.Slice(latencies, func(one, other int) bool { return latencies[one] < latencies[other] })
	for _, percentile := range []struct {
		name   string
		slower int
	}{{"p50", 500}, {"p99", 10}, {"p99.9", 1}} {
		if above := len(latencies) * percentile.slower / 1000; above > 0 {
			latency := latencies[len(latencies)-above]
			figures += fmt.Sprintf(" %s %.1f", percentile.name, float64(latency.Nanoseconds())/1e3)
		}
	}
	return figures
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func equal(seen, expected int) {
	if seen != expected {
		check(fmt.Errorf("%d instead of %d", seen, expected))
	}
}

func main() {
	arguments := os.Args[1:]
	switch {
	case len(arguments) == 1 && arguments[0] == "version":
		fmt.Printf("grpc-go %s, Go %s\n", grpc.Version, strings.TrimPrefix(runtime.Version(), "go"))
	case len(arguments) == 2 && arguments[0] == "serve":
		serve(arguments[1])
	case len(arguments) > 3 && arguments[0] == "bench":
		seconds, err := strconv.ParseFloat(arguments[2], 64)
		check(err)
		duration := time.Duration(seconds * float64(time.Second))
		connection := connect(arguments[1])
		client := bench_pb.NewBenchClient(connection)
		for _, shape := range arguments[3:] {
			measure(arguments[1], client, shape, duration/5)
			fmt.Println(shape, "begins")
			fmt.Println(shape, measure(arguments[1], client, shape, duration))
		}
	default:
		check(fmt.Errorf("usage: bench serve ADDRESS | bench ADDRESS SECONDS SHAPE... | version"))
	}
}
