// A host and a plug-in of HashiCorp's go-plugin, with its automatic mutual TLS.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GRPC_IPC", MagicCookieValue: "test"}

// Nothing of its own: go-plugin's health service, "plugin", is what is called.
type nothing struct{ plugin.Plugin }

func (nothing) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }
func (nothing) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (interface{}, error) {
	return nil, nil
}

var plugins = map[string]plugin.Plugin{"nothing": nothing{}}

func main() {
	if os.Args[1] == "plugin" {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake,
			Plugins:         plugins,
			GRPCServer:      plugin.DefaultGRPCServer,
			Logger:          hclog.NewNullLogger(),
		})
		return
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugins,
		Cmd:              exec.Command(os.Args[2], os.Args[3:]...),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
	})
	err := ping(client)
	client.Kill()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("pong")
}

func ping(client *plugin.Client) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	return protocol.Ping()
}
