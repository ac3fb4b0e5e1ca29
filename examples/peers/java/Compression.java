import com.google.common.collect.MapMaker;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import java.io.InputStream;
import java.util.Map;

/**
 * Whether a message that was received was compressed. grpc-java does not say it. But the stream of a message that was
 * not has a known length, and a stream that decompresses does not.
 */
final class Compression {
    private static final Map<Object, Boolean> MESSAGES = new MapMaker().weakKeys().makeMap();

    private Compression() {}

    static boolean wasCompressed(Object message) {
        return MESSAGES.get(message);
    }

    private record Watched<T>(Marshaller<T> inner) implements Marshaller<T> {
        @Override
        public InputStream stream(T message) {
            return inner.stream(message);
        }

        @Override
        public T parse(InputStream stream) {
            boolean compressed = !(stream instanceof KnownLength);
            T message = inner.parse(stream);
            MESSAGES.put(message, compressed);
            return message;
        }
    }

    private static <Q, S> MethodDescriptor<Q, S> watched(MethodDescriptor<Q, S> method) {
        Marshaller<Q> requests = new Watched<>(method.getRequestMarshaller());
        Marshaller<S> responses = new Watched<>(method.getResponseMarshaller());
        return method.toBuilder(requests, responses).build();
    }

    static ServerServiceDefinition watched(ServerServiceDefinition service) {
        String name = service.getServiceDescriptor().getName();
        ServerServiceDefinition.Builder builder = ServerServiceDefinition.builder(name);
        for (ServerMethodDefinition<?, ?> method : service.getMethods()) {
            addWatched(builder, method);
        }
        return builder.build();
    }

    private static <Q, S> void addWatched(
            ServerServiceDefinition.Builder builder, ServerMethodDefinition<Q, S> method) {
        builder.addMethod(watched(method.getMethodDescriptor()), method.getServerCallHandler());
    }

    static final ClientInterceptor CLIENT = new ClientInterceptor() {
        @Override
        public <Q, S> ClientCall<Q, S> interceptCall(MethodDescriptor<Q, S> method, CallOptions options, Channel next) {
            return next.newCall(watched(method), options);
        }
    };
}
