using System.IO.Pipes;
using System.Net.Sockets;
using System.Security.Principal;
using Grpc.Net.Client;

namespace DotnetPeer;

/// Opens a channel the way the ASP.NET Core documentation shows it.
static class Client
{
    // ANCHOR: open
    /// With `tls` any server certificate is accepted: this is a test peer.
    public static GrpcChannel Open(string address, bool tls)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, EnableMultipleHttp2Connections = true };
        if (tls) handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        if (!address.StartsWith("http:")) handler.ConnectCallback = (_, token) => Connect(address, token);
        var target = address.StartsWith("http:") ? address[5..] : "//localhost";
        return GrpcChannel.ForAddress((tls ? "https:" : "http:") + target, new GrpcChannelOptions { HttpHandler = handler, MaxReceiveMessageSize = null });
    }
    // ANCHOR_END: open

    // ANCHOR: connect
    static async ValueTask<Stream> Connect(string address, CancellationToken token)
    {
        if (address.StartsWith("unix:"))
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try { await socket.ConnectAsync(new UnixDomainSocketEndPoint(address[5..]), token); return new NetworkStream(socket, ownsSocket: true); }
            catch { socket.Dispose(); throw; }
        }
        if (address.StartsWith("npipe:"))
        {
            var pipe = new NamedPipeClientStream(".", address[6..], PipeDirection.InOut, PipeOptions.WriteThrough | PipeOptions.Asynchronous, TokenImpersonationLevel.Identification);
            try { await pipe.ConnectAsync(token); return pipe; }
            catch { await pipe.DisposeAsync(); throw; }
        }
        throw new ArgumentException($"address {address}: expected unix:PATH, npipe:NAME or http://HOST:PORT");
    }
    // ANCHOR_END: connect
}
