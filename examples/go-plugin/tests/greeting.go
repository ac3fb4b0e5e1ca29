// A host and a plug-in of HashiCorp's go-plugin, for the services in greeting.proto.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/golang/protobuf/proto"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// The messages of greeting.proto.
type GreetRequest struct {
	Name       string `protobuf:"bytes,1,opt,name=name,proto3"`
	Dictionary uint32 `protobuf:"varint,2,opt,name=dictionary,proto3"`
}

func (m *GreetRequest) Reset()         { *m = GreetRequest{} }
func (m *GreetRequest) String() string { return proto.CompactTextString(m) }
func (*GreetRequest) ProtoMessage()    {}

type Text struct {
	Text string `protobuf:"bytes,1,opt,name=text,proto3"`
}

func (m *Text) Reset()         { *m = Text{} }
func (m *Text) String() string { return proto.CompactTextString(m) }
func (*Text) ProtoMessage()    {}

type greeter struct{ broker *plugin.GRPCBroker }

func (g greeter) greet(ctx context.Context, request *GreetRequest) (*Text, error) {
	fmt.Println("asked to greet", request.Name)
	greeting := &Text{Text: "hello"}
	if request.Dictionary != 0 {
		host, err := g.broker.Dial(request.Dictionary)
		if err != nil {
			return nil, err
		}
		defer host.Close()
		if err := host.Invoke(ctx, "/greeting.Dictionary/Translate", greeting, greeting); err != nil {
			return nil, err
		}
	}
	return &Text{Text: greeting.Text + " " + request.Name}, nil
}

var greeterDesc = grpc.ServiceDesc{
	ServiceName: "greeting.Greeter",
	HandlerType: (*interface{})(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Greet",
		Handler: func(srv interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
			request := new(GreetRequest)
			if err := decode(request); err != nil {
				return nil, err
			}
			return srv.(greeter).greet(ctx, request)
		},
	}},
}

var dictionaryDesc = grpc.ServiceDesc{
	ServiceName: "greeting.Dictionary",
	HandlerType: (*interface{})(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Translate",
		Handler: func(_ interface{}, _ context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
			text := new(Text)
			if err := decode(text); err != nil {
				return nil, err
			}
			return &Text{Text: map[string]string{"hello": "bonjour"}[text.Text]}, nil
		},
	}},
}

// The calls that a host can make to a plug-in.
type client struct {
	broker     *plugin.GRPCBroker
	connection *grpc.ClientConn
}

func (c client) greet(name string) (string, error) {
	dictionary := c.broker.NextId()
	go c.broker.AcceptAndServe(dictionary, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		server.RegisterService(&dictionaryDesc, struct{}{})
		return server
	})
	text := new(Text)
	request := &GreetRequest{Name: name, Dictionary: dictionary}
	err := c.connection.Invoke(context.Background(), "/greeting.Greeter/Greet", request, text)
	return text.Text, err
}

type greeting struct{ plugin.Plugin }

func (greeting) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&greeterDesc, greeter{broker})
	return nil
}

func (greeting) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, connection *grpc.ClientConn) (interface{}, error) {
	return client{broker, connection}, nil
}

var (
	handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GREETING_PLUGIN", MagicCookieValue: "9f2a6c0e"}
	plugins   = map[string]plugin.Plugin{"greeting": greeting{}}
)

func main() {
	if len(os.Args) == 1 {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake,
			Plugins:         plugins,
			GRPCServer:      plugin.DefaultGRPCServer,
			Logger:          hclog.NewNullLogger(),
		})
		return
	}
	host := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugins,
		Cmd:              exec.Command(os.Args[2]),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         os.Args[1] == "tls",
	})
	err := run(host)
	host.Kill()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Greets twice, each time with a dictionary of its own.
func run(host *plugin.Client) error {
	protocol, err := host.Client()
	if err != nil {
		return err
	}
	if err := protocol.Ping(); err != nil {
		return err
	}
	dispensed, err := protocol.Dispense("greeting")
	if err != nil {
		return err
	}
	for _, name := range []string{"Ada", "Grace"} {
		text, err := dispensed.(client).greet(name)
		if err != nil {
			return err
		}
		fmt.Println(text)
	}
	return nil
}
