import greet.Greet.HelloRequest;
import greet.GreeterGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.internal.GrpcUtil;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.Version;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The peer of the interoperability tests in Java, on grpc-java with Netty as Debian has them.
 *
 * <pre>
 * peer version                    the versions of grpc-java, Netty and Java
 * peer serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
 * peer call ADDRESS [CASE...]     gRPC's interoperability cases, or the `--extended` ones, a line each; exits with 1
 *                                 when one fails
 * peer greet ADDRESS NAME         one call; prints the reply
 * </pre>
 *
 * `--max-message-size BYTES` is for `serve` and `call`, `--max-connection-age SECONDS` for `serve`. Without them,
 * server and channel have grpc-java's own options.
 *
 * Debian's grpc-java lacks its services for health and reflection. The client has the code that protoc generates for
 * them.
 */
final class Peer {
    private static final String USAGE = "usage: peer version | serve ADDRESS... [--max-connection-age SECONDS] |"
            + " call ADDRESS [--extended | CASE...] | greet ADDRESS NAME; with [--max-message-size BYTES]";

    /** A reason to exit with code 2. */
    static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    private final List<String> words = new ArrayList<>();
    private boolean extended;
    private int maxMessageSize;
    private int maxConnectionAge;

    private Peer(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--extended" -> extended = true;
                case "--max-message-size" -> maxMessageSize = Integer.parseInt(arguments[++i]);
                case "--max-connection-age" -> maxConnectionAge = Integer.parseInt(arguments[++i]);
                default -> words.add(arguments[i]);
            }
        }
    }

    /** The address of a Unix socket, also of an abstract one; null if it is another. */
    private static DomainSocketAddress domainSocket(String address) {
        if (address.startsWith("unix:")) {
            return new DomainSocketAddress(address.substring("unix:".length()));
        }
        if (address.startsWith("unix-abstract:")) {
            return new DomainSocketAddress("\0" + address.substring("unix-abstract:".length()));
        }
        return null;
    }

    private static InetSocketAddress tcp(String address) {
        int port = address.lastIndexOf(':');
        String host = address.substring(address.startsWith("tcp:") ? "tcp:".length() : 0, port);
        return new InetSocketAddress(host, Integer.parseInt(address.substring(port + 1)));
    }

    /** Netty needs to be told which kind of channel an address of a Unix socket is for. */
    private static NettyServerBuilder serverBuilder(String address) {
        DomainSocketAddress socket = domainSocket(address);
        if (socket == null) {
            return NettyServerBuilder.forAddress(tcp(address));
        }
        return NettyServerBuilder.forAddress(socket)
                .channelType(EpollServerDomainSocketChannel.class)
                .bossEventLoopGroup(new EpollEventLoopGroup(1))
                .workerEventLoopGroup(new EpollEventLoopGroup());
    }

    private static NettyChannelBuilder channelBuilder(String address) {
        DomainSocketAddress socket = domainSocket(address);
        if (socket == null) {
            InetSocketAddress tcp = tcp(address);
            return NettyChannelBuilder.forAddress(tcp.getHostString(), tcp.getPort());
        }
        // ANCHOR: channel
        NettyChannelBuilder builder = NettyChannelBuilder.forAddress(socket)
                .channelType(EpollDomainSocketChannel.class)
                .eventLoopGroup(new EpollEventLoopGroup());
        // ANCHOR_END: channel
        if (socket.path().startsWith("\0")) {
            // By default it is the address, with the NUL, which RFC 9113 forbids in a field. grpc-go refuses it, too.
            builder.overrideAuthority("localhost");
        }
        return builder;
    }

    private ManagedChannel channel(String address) {
        NettyChannelBuilder builder = channelBuilder(address).usePlaintext();
        if (maxMessageSize > 0) {
            builder.maxInboundMessageSize(maxMessageSize);
        }
        return builder.build();
    }

    private void serve() throws Exception {
        List<Server> servers = new ArrayList<>();
        for (String address : words.subList(1, words.size())) {
            NettyServerBuilder builder = serverBuilder(address);
            for (ServerServiceDefinition service : Services.all()) {
                builder.addService(service);
            }
            if (maxMessageSize > 0) {
                builder.maxInboundMessageSize(maxMessageSize);
            }
            if (maxConnectionAge > 0) {
                builder.maxConnectionAge(maxConnectionAge, TimeUnit.SECONDS);
            }
            Server server = builder.build().start();
            servers.add(server);
            // With port 0, the system chose another.
            boolean isTcp = domainSocket(address) == null;
            System.out.println("listening on " + (isTcp ? "tcp:127.0.0.1:" + server.getPort() : address));
        }
        // Java runs this on a signal, whose exit code would not be 0.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            drain(servers);
            Runtime.getRuntime().halt(0);
        }));
        for (Server server : servers) {
            server.awaitTermination();
        }
    }

    private static void drain(List<Server> servers) {
        servers.forEach(Server::shutdown);
        try {
            for (Server server : servers) {
                server.awaitTermination(5, TimeUnit.SECONDS);
            }
        } catch (InterruptedException ignored) {
            // Nothing interrupts this thread.
        }
    }

    private void greet() {
        ManagedChannel channel = channel(words.get(1));
        String name = words.get(2);
        // ANCHOR: greet
        String reply = GreeterGrpc.newBlockingStub(channel)
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .sayHello(HelloRequest.newBuilder().setName(name).build())
                .getMessage();
        // ANCHOR_END: greet
        System.out.println(reply);
    }

    private int run() throws Exception {
        for (String word : words) {
            if (word.startsWith("npipe:")) {
                throw new Refused("not applicable: grpc-java has no named pipes");
            }
        }
        String command = words.isEmpty() ? "" : words.get(0);
        if (command.equals("version")) {
            String netty = Version.identify().get("netty-transport").artifactVersion();
            String grpc = GrpcUtil.getGrpcBuildVersion().getImplementationVersion();
            System.out.printf("grpc-java %s, Netty %s, Java %s%n", grpc, netty, Runtime.version());
        } else if (command.equals("serve") && words.size() > 1) {
            serve();
        } else if (command.equals("call") && words.size() > 1) {
            boolean passed = Runner.runCases(channel(words.get(1)), words.subList(2, words.size()), extended);
            return passed ? 0 : 1;
        } else if (command.equals("greet") && words.size() == 3) {
            greet();
        } else {
            throw new Refused(USAGE);
        }
        return 0;
    }

    public static void main(String[] arguments) {
        int code;
        try {
            code = new Peer(arguments).run();
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            code = 2;
        } catch (Exception error) {
            System.err.println(error);
            code = 1;
        }
        // At once: a case that hangs keeps its thread, and Netty its own.
        Runtime.getRuntime().halt(code);
    }
}
