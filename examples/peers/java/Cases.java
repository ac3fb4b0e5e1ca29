import grpc.testing.Test.BoolValue;
import grpc.testing.Test.Empty;
import grpc.testing.Test.ResponseParameters;
import grpc.testing.Test.SimpleRequest;
import grpc.testing.Test.SimpleResponse;
import grpc.testing.Test.StreamingInputCallRequest;
import grpc.testing.Test.StreamingInputCallResponse;
import grpc.testing.Test.StreamingOutputCallRequest;
import grpc.testing.Test.StreamingOutputCallResponse;
import grpc.testing.TestServiceGrpc.TestServiceBlockingStub;
import grpc.testing.UnimplementedServiceGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The client side of gRPC's `interop-test-descriptions.md`: a method a case. */
final class Cases {
    private static final int[] REQUEST_SIZES = {27_182, 8, 1_828, 45_904};
    private static final int[] RESPONSE_SIZES = {31_415, 9, 2_653, 58_979};

    private Cases() {}

    static void emptyUnary(Channel channel) {
        Checks.blocking(channel).emptyCall(Empty.getDefaultInstance());
    }

    private static void largeUnary(Channel channel) {
        SimpleResponse response = Checks.blocking(channel)
                .unaryCall(Checks.simpleRequest(Checks.LARGE_RESPONSE, Checks.LARGE_REQUEST));
        Checks.checkZeros(response.getPayload(), Checks.LARGE_RESPONSE);
    }

    private static Checks.Stream<StreamingInputCallRequest, StreamingInputCallResponse> streamingInput(
            Channel channel) {
        Checks.Stream<StreamingInputCallRequest, StreamingInputCallResponse> stream = new Checks.Stream<>();
        Checks.async(channel).streamingInputCall(stream);
        return stream;
    }

    private static void clientStreaming(Channel channel) throws Exception {
        var stream = streamingInput(channel);
        for (int size : REQUEST_SIZES) {
            stream.call.onNext(Checks.input(size));
        }
        stream.call.onCompleted();
        Checks.checkEqual("total size", stream.next().getAggregatedPayloadSize(), 74_922);
        Checks.checkStatus(stream.end(), Status.Code.OK);
    }

    private static void serverStreaming(Channel channel) {
        StreamingOutputCallRequest.Builder request = StreamingOutputCallRequest.newBuilder();
        for (int size : RESPONSE_SIZES) {
            request.addResponseParameters(ResponseParameters.newBuilder().setSize(size));
        }
        Iterator<StreamingOutputCallResponse> responses = Checks.blocking(channel).streamingOutputCall(request.build());
        for (int size : RESPONSE_SIZES) {
            Checks.checkNext(responses, size);
        }
        Checks.checkEqual("there is a response after the last", responses.hasNext(), false);
    }

    private static void pingPong(Channel channel) throws Exception {
        var stream = Checks.fullDuplex(channel);
        for (int i = 0; i < RESPONSE_SIZES.length; i++) {
            stream.call.onNext(Checks.ask(RESPONSE_SIZES[i], REQUEST_SIZES[i]));
            Checks.checkZeros(stream.next().getPayload(), RESPONSE_SIZES[i]);
        }
        stream.call.onCompleted();
        Checks.checkStatus(stream.end(), Status.Code.OK);
    }

    private static void emptyStream(Channel channel) throws Exception {
        var stream = Checks.fullDuplex(channel);
        stream.call.onCompleted();
        Checks.checkStatus(stream.end(), Status.Code.OK);
    }

    private static void customMetadata(Channel channel) throws Exception {
        String initial = "test_initial_metadata_value";
        byte[] trailing = {(byte) 0xab, (byte) 0xab, (byte) 0xab};
        Metadata metadata = new Metadata();
        metadata.put(Services.INITIAL_METADATA, initial);
        metadata.put(Services.TRAILING_METADATA, trailing);
        Checks.Received received = new Checks.Received();
        Channel sending = ClientInterceptors.intercept(channel, Checks.sending(metadata), received.capture());
        Runnable checkEchoes = () -> {
            Checks.checkEqual("initial metadata", received.headers.get().get(Services.INITIAL_METADATA), initial);
            byte[] echoed = received.trailers.get().get(Services.TRAILING_METADATA);
            Checks.checkEqual("trailing metadata is the same", Arrays.equals(echoed, trailing), true);
        };

        largeUnary(sending);
        checkEchoes.run();

        received.headers.set(new Metadata());
        received.trailers.set(new Metadata());
        var stream = Checks.fullDuplex(sending);
        stream.call.onNext(Checks.ask(Checks.LARGE_RESPONSE, Checks.LARGE_REQUEST));
        stream.call.onCompleted();
        Checks.checkZeros(stream.next().getPayload(), Checks.LARGE_RESPONSE);
        Checks.checkStatus(stream.end(), Status.Code.OK);
        checkEchoes.run();
    }

    /** Asks a unary call for status UNKNOWN with `message`. */
    private static void unaryStatus(Channel channel, String message) {
        SimpleRequest request = SimpleRequest.newBuilder()
                .setResponseStatus(Checks.echoStatus(Status.Code.UNKNOWN, message))
                .build();
        Status status = Checks.statusOf(() -> Checks.blocking(channel).unaryCall(request));
        Checks.checkStatus(status, Status.Code.UNKNOWN);
        Checks.checkEqual("message of the unary call", status.getDescription(), message);
    }

    private static void statusCodeAndMessage(Channel channel) throws Exception {
        String message = "test status message";
        unaryStatus(channel, message);

        var stream = Checks.fullDuplex(channel);
        stream.call.onNext(Checks.askStatus(Status.Code.UNKNOWN, message));
        stream.call.onCompleted();
        Status status = stream.end();
        Checks.checkStatus(status, Status.Code.UNKNOWN);
        Checks.checkEqual("message of the duplex call", status.getDescription(), message);
    }

    private static void specialStatusMessage(Channel channel) {
        unaryStatus(channel, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n");
    }

    private static void unimplementedMethod(Channel channel) {
        Status status = Checks.statusOf(() -> Checks.blocking(channel).unimplementedCall(Empty.getDefaultInstance()));
        Checks.checkStatus(status, Status.Code.UNIMPLEMENTED);
    }

    private static void unimplementedService(Channel channel) {
        Status status = Checks.statusOf(() -> UnimplementedServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(15, TimeUnit.SECONDS)
                .unimplementedCall(Empty.getDefaultInstance()));
        Checks.checkStatus(status, Status.Code.UNIMPLEMENTED);
    }

    private static void cancelAfterBegin(Channel channel) throws Exception {
        var stream = streamingInput(channel);
        // This one follows it on the same connection: once it is answered, the server has heard of both.
        emptyUnary(channel);
        Checks.checkStatus(stream.cancel(), Status.Code.CANCELLED);
    }

    private static void cancelAfterFirstResponse(Channel channel) throws Exception {
        var stream = Checks.fullDuplex(channel);
        stream.call.onNext(Checks.ask(31_415, 27_182));
        Checks.checkZeros(stream.next().getPayload(), 31_415);
        Checks.checkStatus(stream.cancel(), Status.Code.CANCELLED);
    }

    private static void timeoutOnSleepingServer(Channel channel) throws Exception {
        var stream = new Checks.Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>();
        Checks.async(channel).withDeadlineAfter(1, TimeUnit.MILLISECONDS).fullDuplexCall(stream);
        stream.call.onNext(StreamingOutputCallRequest.newBuilder().setPayload(Checks.zeros(27_182)).build());
        Checks.checkStatus(stream.end(), Status.Code.DEADLINE_EXCEEDED);
    }

    private static BoolValue flag(boolean value) {
        return BoolValue.newBuilder().setValue(value).build();
    }

    private static void clientCompressedUnary(Channel channel) {
        TestServiceBlockingStub plain = Checks.blocking(channel);
        TestServiceBlockingStub gzip = plain.withCompression("gzip");
        SimpleRequest.Builder request =
                Checks.simpleRequest(Checks.LARGE_RESPONSE, Checks.LARGE_REQUEST).toBuilder();
        SimpleRequest compressed = request.setExpectCompressed(flag(true)).build();
        SimpleRequest uncompressed = request.setExpectCompressed(flag(false)).build();

        Status probe = Checks.statusOf(() -> plain.unaryCall(compressed));
        Checks.checkStatus(probe, Status.Code.INVALID_ARGUMENT);
        Checks.checkZeros(gzip.unaryCall(compressed).getPayload(), Checks.LARGE_RESPONSE);
        Checks.checkZeros(plain.unaryCall(uncompressed).getPayload(), Checks.LARGE_RESPONSE);
    }

    private static void serverCompressedUnary(Channel channel) {
        Channel watched = ClientInterceptors.intercept(channel, Compression.CLIENT);
        for (boolean compressed : new boolean[] {true, false}) {
            SimpleResponse response = Checks.blocking(watched)
                    .unaryCall(Checks.simpleRequest(Checks.LARGE_RESPONSE, Checks.LARGE_REQUEST).toBuilder()
                            .setResponseCompressed(flag(compressed))
                            .build());
            Checks.checkZeros(response.getPayload(), Checks.LARGE_RESPONSE);
            Checks.checkEqual("response compressed", Compression.wasCompressed(response), compressed);
        }
    }

    private static void clientCompressedStreaming(Channel channel) throws Exception {
        var probe = streamingInput(channel);
        probe.call.onNext(Checks.input(27_182).toBuilder().setExpectCompressed(flag(true)).build());
        probe.call.onCompleted();
        Checks.checkStatus(probe.end(), Status.Code.INVALID_ARGUMENT);

        var stream = new Checks.Stream<StreamingInputCallRequest, StreamingInputCallResponse>();
        Checks.async(channel).withCompression("gzip").streamingInputCall(stream);
        stream.call.setMessageCompression(true);
        stream.call.onNext(Checks.input(27_182).toBuilder().setExpectCompressed(flag(true)).build());
        stream.call.setMessageCompression(false);
        stream.call.onNext(Checks.input(45_904).toBuilder().setExpectCompressed(flag(false)).build());
        stream.call.onCompleted();
        Checks.checkEqual("total size", stream.next().getAggregatedPayloadSize(), 73_086);
        Checks.checkStatus(stream.end(), Status.Code.OK);
    }

    private static void serverCompressedStreaming(Channel channel) {
        StreamingOutputCallRequest request = StreamingOutputCallRequest.newBuilder()
                .addResponseParameters(ResponseParameters.newBuilder().setCompressed(flag(true)).setSize(31_415))
                .addResponseParameters(ResponseParameters.newBuilder().setCompressed(flag(false)).setSize(92_653))
                .build();
        Channel watched = ClientInterceptors.intercept(channel, Compression.CLIENT);
        Iterator<StreamingOutputCallResponse> responses = Checks.blocking(watched).streamingOutputCall(request);
        for (ResponseParameters parameters : request.getResponseParametersList()) {
            Checks.checkEqual("there is a response", responses.hasNext(), true);
            StreamingOutputCallResponse response = responses.next();
            Checks.checkZeros(response.getPayload(), parameters.getSize());
            boolean compressed = parameters.getCompressed().getValue();
            Checks.checkEqual("response compressed", Compression.wasCompressed(response), compressed);
        }
        Checks.checkEqual("there is a response after the last", responses.hasNext(), false);
    }

    static final Map<String, Runner.Case> ALL = new LinkedHashMap<>();

    static {
        ALL.put("empty_unary", Cases::emptyUnary);
        ALL.put("large_unary", Cases::largeUnary);
        ALL.put("client_streaming", Cases::clientStreaming);
        ALL.put("server_streaming", Cases::serverStreaming);
        ALL.put("ping_pong", Cases::pingPong);
        ALL.put("empty_stream", Cases::emptyStream);
        ALL.put("custom_metadata", Cases::customMetadata);
        ALL.put("status_code_and_message", Cases::statusCodeAndMessage);
        ALL.put("special_status_message", Cases::specialStatusMessage);
        ALL.put("unimplemented_method", Cases::unimplementedMethod);
        ALL.put("unimplemented_service", Cases::unimplementedService);
        ALL.put("cancel_after_begin", Cases::cancelAfterBegin);
        ALL.put("cancel_after_first_response", Cases::cancelAfterFirstResponse);
        ALL.put("timeout_on_sleeping_server", Cases::timeoutOnSleepingServer);
        ALL.put("client_compressed_unary", Cases::clientCompressedUnary);
        ALL.put("server_compressed_unary", Cases::serverCompressedUnary);
        ALL.put("client_compressed_streaming", Cases::clientCompressedStreaming);
        ALL.put("server_compressed_streaming", Cases::serverCompressedStreaming);
    }
}
