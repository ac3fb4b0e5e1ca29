import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import greet.Greet.HelloReply;
import greet.Greet.HelloRequest;
import greet.GreeterGrpc;
import grpc.testing.Test.BoolValue;
import grpc.testing.Test.EchoStatus;
import grpc.testing.Test.Empty;
import grpc.testing.Test.Payload;
import grpc.testing.Test.ResponseParameters;
import grpc.testing.Test.SimpleRequest;
import grpc.testing.Test.SimpleResponse;
import grpc.testing.Test.StreamingInputCallRequest;
import grpc.testing.Test.StreamingInputCallResponse;
import grpc.testing.Test.StreamingOutputCallRequest;
import grpc.testing.Test.StreamingOutputCallResponse;
import grpc.testing.TestServiceGrpc;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The server side of gRPC's `interop-test-descriptions.md`. `grpc.testing.UnimplementedService` and the method
 * `UnimplementedCall` are absent on purpose: cases call them.
 */
final class Services {
    /** What the server echoes of a request's metadata, and where. */
    static final Metadata.Key<String> INITIAL_METADATA =
            Metadata.Key.of("x-grpc-test-echo-initial", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<byte[]> TRAILING_METADATA =
            Metadata.Key.of("x-grpc-test-echo-trailing-bin", Metadata.BINARY_BYTE_MARSHALLER);
    /** `EmptyCall` ends with the value of the first as the details of its status, which are in the second. */
    static final Metadata.Key<byte[]> STATUS_DETAILS =
            Metadata.Key.of("x-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
    static final Metadata.Key<byte[]> GRPC_STATUS_DETAILS =
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

    private static final Context.Key<Metadata> RECEIVED = Context.key("received metadata");

    private Services() {}

    static List<ServerServiceDefinition> all() {
        ServerServiceDefinition interop = Compression.watched(new Interop().bindService());
        return List.of(ServerInterceptors.intercept(interop, new EchoMetadata()), new Greeter().bindService());
    }

    private static final class EchoMetadata implements ServerInterceptor {
        @Override
        public <Q, S> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, S> call, Metadata received, ServerCallHandler<Q, S> next) {
            ServerCall<Q, S> echoing = new SimpleForwardingServerCall<>(call) {
                @Override
                public void sendHeaders(Metadata headers) {
                    echo(received, headers, INITIAL_METADATA);
                    super.sendHeaders(headers);
                }

                @Override
                public void close(Status status, Metadata trailers) {
                    echo(received, trailers, TRAILING_METADATA);
                    super.close(status, trailers);
                }
            };
            return Contexts.interceptCall(Context.current().withValue(RECEIVED, received), echoing, received, next);
        }

        private static <T> void echo(Metadata from, Metadata to, Metadata.Key<T> key) {
            Iterable<T> values = from.getAll(key);
            if (values != null) {
                values.forEach(value -> to.put(key, value));
            }
        }
    }

    static Payload zeros(int size) {
        return Payload.newBuilder().setBody(ByteString.copyFrom(new byte[size])).build();
    }

    /** Sends messages to a client, compressed or not, and ends its call once. */
    private static final class Sender<T> {
        private final ServerCallStreamObserver<T> call;
        private boolean ended;

        Sender(StreamObserver<T> observer) {
            call = (ServerCallStreamObserver<T>) observer;
            // Otherwise, sending to a client that has cancelled throws.
            call.setOnCancelHandler(() -> {});
        }

        /** Lets messages be compressed, only if a request asks for that: not every client accepts such a call. */
        void allowCompression(boolean wanted) {
            if (wanted) {
                call.setCompression("gzip");
            }
        }

        void send(T message, boolean compressed) {
            call.setMessageCompression(compressed);
            call.onNext(message);
        }

        /** Waits until the client takes more, and for the interval. False if it has cancelled. */
        boolean await(int intervalMicros) {
            long end = System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(intervalMicros);
            while (!Context.current().isCancelled()) {
                if (call.isReady() && System.nanoTime() >= end) {
                    return true;
                }
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
            }
            return false;
        }

        void end(Status status) {
            end(status, () -> {});
        }

        /** Ends a call with one message, which it sends first if the status is OK. */
        void end(Status status, Runnable send) {
            if (ended) {
                return;
            }
            ended = true;
            if (status.isOk()) {
                send.run();
                call.onCompleted();
            } else {
                call.onError(status.asRuntimeException());
            }
        }

        /** Ends the call if a request says whether it is compressed, and it is not as it says. */
        void checkCompression(Message request, boolean says, BoolValue expected) {
            if (says && Compression.wasCompressed(request) != expected.getValue()) {
                String seen = "the message was compressed: " + !expected.getValue();
                end(Status.INVALID_ARGUMENT.withDescription(seen));
            }
        }
    }

    private static Status wantedStatus(EchoStatus wanted) {
        return Status.fromCodeValue(wanted.getCode()).withDescription(wanted.getMessage());
    }

    /** Sends what a request asks for. Ends the call if it asks for a status, or if the client has cancelled. */
    private static void answer(StreamingOutputCallRequest request, Sender<StreamingOutputCallResponse> sender) {
        for (ResponseParameters parameters : request.getResponseParametersList()) {
            if (!sender.await(parameters.getIntervalUs())) {
                sender.end(Status.CANCELLED);
                return;
            }
            Payload payload = zeros(parameters.getSize());
            StreamingOutputCallResponse response =
                    StreamingOutputCallResponse.newBuilder().setPayload(payload).build();
            sender.send(response, parameters.getCompressed().getValue());
        }
        if (request.getResponseStatus().getCode() != 0) {
            sender.end(wantedStatus(request.getResponseStatus()));
        }
    }

    /** The requests of a client that may cancel. */
    private abstract static class Requests<T> implements StreamObserver<T> {
        @Override
        public void onError(Throwable cancelled) {}
    }

    private static final class Interop extends TestServiceGrpc.TestServiceImplBase {
        @Override
        public void emptyCall(Empty request, StreamObserver<Empty> responses) {
            byte[] details = RECEIVED.get().get(STATUS_DETAILS);
            if (details != null) {
                Metadata trailers = new Metadata();
                trailers.put(GRPC_STATUS_DETAILS, details);
                responses.onError(Status.INVALID_ARGUMENT.withDescription("details").asRuntimeException(trailers));
                return;
            }
            responses.onNext(Empty.getDefaultInstance());
            responses.onCompleted();
        }

        @Override
        public void unaryCall(SimpleRequest request, StreamObserver<SimpleResponse> observer) {
            Sender<SimpleResponse> sender = new Sender<>(observer);
            sender.checkCompression(request, request.hasExpectCompressed(), request.getExpectCompressed());
            sender.end(wantedStatus(request.getResponseStatus()), () -> {
                boolean compressed = request.getResponseCompressed().getValue();
                sender.allowCompression(compressed);
                Payload payload = zeros(request.getResponseSize());
                sender.send(SimpleResponse.newBuilder().setPayload(payload).build(), compressed);
            });
        }

        @Override
        public void streamingOutputCall(
                StreamingOutputCallRequest request, StreamObserver<StreamingOutputCallResponse> observer) {
            Sender<StreamingOutputCallResponse> sender = new Sender<>(observer);
            sender.allowCompression(
                    request.getResponseParametersList().stream().anyMatch(one -> one.getCompressed().getValue()));
            answer(request, sender);
            sender.end(Status.OK);
        }

        @Override
        public StreamObserver<StreamingInputCallRequest> streamingInputCall(
                StreamObserver<StreamingInputCallResponse> observer) {
            Sender<StreamingInputCallResponse> sender = new Sender<>(observer);
            StreamingInputCallResponse.Builder response = StreamingInputCallResponse.newBuilder();
            return new Requests<>() {
                @Override
                public void onNext(StreamingInputCallRequest request) {
                    sender.checkCompression(request, request.hasExpectCompressed(), request.getExpectCompressed());
                    int size = request.getPayload().getBody().size();
                    response.setAggregatedPayloadSize(response.getAggregatedPayloadSize() + size);
                }

                @Override
                public void onCompleted() {
                    sender.end(Status.OK, () -> sender.send(response.build(), false));
                }
            };
        }

        @Override
        public StreamObserver<StreamingOutputCallRequest> fullDuplexCall(
                StreamObserver<StreamingOutputCallResponse> observer) {
            Sender<StreamingOutputCallResponse> sender = new Sender<>(observer);
            return new Requests<>() {
                @Override
                public void onNext(StreamingOutputCallRequest request) {
                    answer(request, sender);
                }

                @Override
                public void onCompleted() {
                    sender.end(Status.OK);
                }
            };
        }

        @Override
        public StreamObserver<StreamingOutputCallRequest> halfDuplexCall(
                StreamObserver<StreamingOutputCallResponse> observer) {
            Sender<StreamingOutputCallResponse> sender = new Sender<>(observer);
            List<StreamingOutputCallRequest> requests = new ArrayList<>();
            return new Requests<>() {
                @Override
                public void onNext(StreamingOutputCallRequest request) {
                    requests.add(request);
                }

                @Override
                public void onCompleted() {
                    requests.forEach(request -> answer(request, sender));
                    sender.end(Status.OK);
                }
            };
        }
    }

    private static final class Greeter extends GreeterGrpc.GreeterImplBase {
        @Override
        public void sayHello(HelloRequest request, StreamObserver<HelloReply> replies) {
            replies.onNext(HelloReply.newBuilder().setMessage("Hello " + request.getName()).build());
            replies.onCompleted();
        }
    }
}
