using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;
using Ipc.Bench;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace DotnetPeer;

static class Server
{
    public static async Task Run(string[] addresses, bool anyUser, (string Cert, string Key)? tls)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddGrpc(options => { options.MaxReceiveMessageSize = null; options.EnableDetailedErrors = true; })
            .AddServiceOptions<InteropService>(options => options.ResponseCompressionAlgorithm = "gzip"); // only what a request asks for: see Compress
        if (OperatingSystem.IsWindows()) builder.WebHost.UseNamedPipes(options => { if (anyUser) options.CurrentUserOnly = false; });
        // ANCHOR: listen
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            void Http2(ListenOptions listen)
            {
                listen.Protocols = HttpProtocols.Http2;
                // Exported and read back because SChannel-style providers want a key that is not ephemeral.
                if (tls is { } pem) listen.UseHttps(X509CertificateLoader.LoadPkcs12(X509Certificate2.CreateFromPemFile(pem.Cert, pem.Key).Export(X509ContentType.Pkcs12), null));
            }
            kestrel.Limits.MaxRequestBodySize = null;
            foreach (var address in addresses)
            {
                if (address.StartsWith("unix:")) File.Delete(address[5..]); // Kestrel refuses to bind over a socket file that a dead server left
                if (address.StartsWith("unix:")) kestrel.ListenUnixSocket(address[5..], Http2);
                else if (address.StartsWith("npipe:")) kestrel.ListenNamedPipe(address[6..], Http2);
                else kestrel.ListenLocalhost(new Uri(address).Port, Http2);
            }
        });
        // ANCHOR_END: listen
        var app = builder.Build();
        app.MapGrpcService<GreeterService>();
        app.MapGrpcService<BenchService>();
        app.MapGrpcService<InteropService>();
        await app.StartAsync();
        foreach (var address in addresses) Console.WriteLine($"listening on {address}");
        await app.WaitForShutdownAsync();
    }
}

sealed class GreeterService : Greet.Greeter.GreeterBase
{
    public override Task<Greet.HelloReply> SayHello(Greet.HelloRequest request, ServerCallContext context) =>
        Task.FromResult(new Greet.HelloReply { Message = "Hello " + request.Name });
}

sealed class BenchService : Ipc.Bench.Bench.BenchBase
{
    public override Task<Chunk> Echo(Chunk request, ServerCallContext context) => Task.FromResult(request);

    public override async Task Download(Transfer request, IServerStreamWriter<Chunk> stream, ServerCallContext context)
    {
        var chunk = new Chunk { Payload = UnsafeByteOperations.UnsafeWrap(new byte[request.Size]) };
        for (var i = 0u; i < request.Count; i++) await stream.WriteAsync(chunk);
    }

    public override async Task<Total> Upload(IAsyncStreamReader<Chunk> stream, ServerCallContext context)
    {
        var total = new Total();
        await foreach (var chunk in stream.ReadAllAsync()) { total.Count++; total.Bytes += (ulong)chunk.Payload.Length; }
        return total;
    }

    public override async Task Exchange(IAsyncStreamReader<Chunk> incoming, IServerStreamWriter<Chunk> outgoing, ServerCallContext context)
    {
        await foreach (var chunk in incoming.ReadAllAsync()) await outgoing.WriteAsync(chunk);
    }
}

/// The server side of gRPC's interoperability test descriptions.
sealed class InteropService : TestService.TestServiceBase
{
    public override Task<Empty> EmptyCall(Empty request, ServerCallContext context) => Task.FromResult(new Empty());

    public override async Task<SimpleResponse> UnaryCall(SimpleRequest request, ServerCallContext context)
    {
        await EchoMetadata(context);
        ExpectCompression(request.ExpectCompressed, context);
        Raise(request.ResponseStatus);
        context.WriteOptions = Compress(request.ResponseCompressed);
        return new SimpleResponse { Payload = Zeros(request.ResponseSize) };
    }

    public override async Task StreamingOutputCall(StreamingOutputCallRequest request, IServerStreamWriter<StreamingOutputCallResponse> stream, ServerCallContext context)
    {
        await EchoMetadata(context);
        await Answer(request, stream, context);
    }

    public override async Task<StreamingInputCallResponse> StreamingInputCall(IAsyncStreamReader<StreamingInputCallRequest> stream, ServerCallContext context)
    {
        var size = 0;
        await foreach (var request in stream.ReadAllAsync())
        {
            ExpectCompression(request.ExpectCompressed, context);
            size += request.Payload?.Body.Length ?? 0;
        }
        return new StreamingInputCallResponse { AggregatedPayloadSize = size };
    }

    public override async Task FullDuplexCall(IAsyncStreamReader<StreamingOutputCallRequest> incoming, IServerStreamWriter<StreamingOutputCallResponse> outgoing, ServerCallContext context)
    {
        await EchoMetadata(context);
        await foreach (var request in incoming.ReadAllAsync()) await Answer(request, outgoing, context);
    }

    static async Task Answer(StreamingOutputCallRequest request, IServerStreamWriter<StreamingOutputCallResponse> stream, ServerCallContext context)
    {
        Raise(request.ResponseStatus);
        foreach (var parameters in request.ResponseParameters)
        {
            if (parameters.IntervalUs > 0) await Task.Delay(TimeSpan.FromMicroseconds(parameters.IntervalUs), context.CancellationToken);
            stream.WriteOptions = Compress(parameters.Compressed);
            await stream.WriteAsync(new StreamingOutputCallResponse { Payload = Zeros(parameters.Size) });
        }
    }

    static WriteOptions Compress(BoolValue? wanted) => new(wanted?.Value == true ? 0 : WriteFlags.NoCompress);

    /// grpc-dotnet does not tell whether one message was compressed, so this looks at what the call declared, as its own interoperability server does.
    static void ExpectCompression(BoolValue? expected, ServerCallContext context)
    {
        var encoding = context.GetHttpContext().Request.Headers["grpc-encoding"].ToString();
        if (expected?.Value == true && (encoding is "" or "identity"))
            throw new RpcException(new Status(StatusCode.InvalidArgument, "the message was to be compressed"));
    }

    static Payload Zeros(int size) => new() { Body = UnsafeByteOperations.UnsafeWrap(new byte[size]) };

    static void Raise(EchoStatus? status)
    {
        if (status is { Code: not 0 }) throw new RpcException(new Status((StatusCode)status.Code, status.Message));
    }

    static async Task EchoMetadata(ServerCallContext context)
    {
        if (context.RequestHeaders.Get("x-grpc-test-echo-initial") is { } initial)
            await context.WriteResponseHeadersAsync(new Metadata { { "x-grpc-test-echo-initial", initial.Value } });
        if (context.RequestHeaders.Get("x-grpc-test-echo-trailing-bin") is { } trailing)
            context.ResponseTrailers.Add("x-grpc-test-echo-trailing-bin", trailing.ValueBytes);
    }
}
