// A .NET gRPC peer for interoperability tests and benchmarks. Addresses: unix:/path, npipe:NAME, http://127.0.0.1:PORT.
//   dotnet-peer serve ADDRESS... [--any-user] [--tls CERT.pem KEY.pem]
//   dotnet-peer call  ADDRESS [CASE ...] [--tls]      runs the interoperability cases, one line each; exits 1 when one fails
//   dotnet-peer bench ADDRESS [SECONDS] [--tls]       prints one line of figures per shape of call
//   dotnet-peer greet ADDRESS NAME [--tls]            one call of greet.Greeter/SayHello
//
// `dotnet publish -c Release -r linux-x64 --self-contained` makes the program that GRPC_IPC_DOTNET_PEER names in the
// tests, and `-r win-x64` that of GRPC_IPC_DOTNET_PEER_WINDOWS.
using DotnetPeer;

var tls = Array.IndexOf(args, "--tls");
string[] words = [.. args.Where((word, i) => !word.StartsWith("--") && !(tls >= 0 && i > tls && i <= tls + 2 && args[0] == "serve"))];
if (words.Length < 2) { Console.Error.WriteLine("usage: dotnet-peer serve|call|bench|greet ADDRESS ... (see Program.cs)"); return 2; }
switch (words[0])
{
    case "serve":
        await Server.Run(words[1..], args.Contains("--any-user"), tls < 0 ? null : (args[tls + 1], args[tls + 2]));
        return 0;
    case "call": return await Cases.Run(words[1], tls >= 0, words[2..]);
    case "bench": await Bench.Run(words[1], tls >= 0, words.Length > 2 ? double.Parse(words[2]) : 2.0); return 0;
    case "greet":
        // ANCHOR: greet
        using (var channel = Client.Open(words[1], tls >= 0))
            Console.WriteLine((await new Greet.Greeter.GreeterClient(channel).SayHelloAsync(new Greet.HelloRequest { Name = words[2] })).Message);
        // ANCHOR_END: greet
        return 0;
    default: Console.Error.WriteLine($"unknown command {words[0]}"); return 2;
}
