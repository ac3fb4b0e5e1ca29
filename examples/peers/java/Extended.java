import com.google.protobuf.ByteString;
import grpc.reflection.v1alpha.Reflection.ServerReflectionRequest;
import grpc.reflection.v1alpha.Reflection.ServerReflectionResponse;
import grpc.reflection.v1alpha.Reflection.ServiceResponse;
import grpc.reflection.v1alpha.ServerReflectionGrpc;
import grpc.testing.Test.Empty;
import grpc.testing.Test.ResponseParameters;
import grpc.testing.Test.SimpleRequest;
import grpc.testing.Test.SimpleResponse;
import grpc.testing.Test.StreamingInputCallRequest;
import grpc.testing.Test.StreamingInputCallResponse;
import grpc.testing.Test.StreamingOutputCallRequest;
import grpc.testing.Test.StreamingOutputCallResponse;
import grpc.testing.TestServiceGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Cases beyond gRPC's own: limits, metadata, statuses, deadlines, cancellation, the end of a connection, and the
 * services that come with gRPC. They have the same names in every peer.
 */
final class Extended {
    private static final int MIB = 1 << 20;

    private Extended() {}

    /** Both sides must have been started with `--max-message-size 80000000`. */
    private static void messageSizes(Channel channel) {
        for (int size : new int[] {0, 4 * MIB - 1024, 4 * MIB + 1, 64 * MIB}) {
            SimpleResponse[] response = new SimpleResponse[1];
            Status status = Checks.statusOf(
                    () -> response[0] = Checks.blocking(channel).unaryCall(Checks.simpleRequest(size, size)));
            Checks.checkEqual("status with " + size + " bytes", status, Status.OK);
            Checks.checkZeros(response[0].getPayload(), size);
        }
    }

    private static void messageTooLarge(Channel channel) {
        SimpleRequest request = Checks.simpleRequest(1, 4 * MIB + 1);
        Status status = Checks.statusOf(() -> Checks.blocking(channel).unaryCall(request));
        if (status.isOk()) {
            throw new Runner.NotApplicable("the server accepts messages of more than 4 MiB");
        }
        Checks.checkStatus(status, Status.Code.RESOURCE_EXHAUSTED);
        Cases.emptyUnary(channel);
    }

    private static void checkBinaryEcho(Channel channel, byte[]... values) {
        Metadata metadata = new Metadata();
        for (byte[] value : values) {
            metadata.put(Services.TRAILING_METADATA, value);
        }
        Checks.Received received = new Checks.Received();
        Cases.emptyUnary(ClientInterceptors.intercept(channel, Checks.sending(metadata), received.capture()));
        List<byte[]> echoed = new ArrayList<>();
        Iterable<byte[]> all = received.trailers.get().getAll(Services.TRAILING_METADATA);
        if (all != null) {
            all.forEach(echoed::add);
        }
        Checks.checkEqual("number of values", echoed.size(), values.length);
        for (int i = 0; i < values.length; i++) {
            Checks.checkEqual("value", Arrays.toString(echoed.get(i)), Arrays.toString(values[i]));
        }
    }

    private static void binaryMetadata(Channel channel) {
        byte[] bytes = {(byte) 0xfb, (byte) 0xef, (byte) 0xbe, 0, (byte) 0xff};
        for (int size = 0; size <= bytes.length; size++) {
            checkBinaryEcho(channel, Arrays.copyOf(bytes, size));
        }
        byte[] everyByte = new byte[256];
        for (int i = 0; i < everyByte.length; i++) {
            everyByte[i] = (byte) i;
        }
        checkBinaryEcho(channel, everyByte);
        checkBinaryEcho(channel, new byte[] {1, 2}, new byte[] {3});
    }

    private static void checkEcho(Channel channel, int size) {
        Metadata metadata = new Metadata();
        metadata.put(Services.INITIAL_METADATA, "a".repeat(size));
        Checks.Received received = new Checks.Received();
        Cases.emptyUnary(ClientInterceptors.intercept(channel, Checks.sending(metadata), received.capture()));
        boolean same = "a".repeat(size).equals(received.headers.get().get(Services.INITIAL_METADATA));
        Checks.checkEqual("the metadata came back", same, true);
    }

    private static void largeMetadata(Channel channel) {
        checkEcho(channel, 6 * 1024);
        if (Checks.statusOf(() -> checkEcho(channel, MIB)).isOk()) {
            throw new Runner.NotApplicable("both sides accept 1 MiB of metadata");
        }
        // A server on C-core or Netty ends the connection too. A call that is already on its way then fails.
        Status next = Checks.statusOf(() -> Cases.emptyUnary(channel));
        if (next.getCode() == Status.Code.UNAVAILABLE) {
            Cases.emptyUnary(channel);
        } else {
            Checks.checkStatus(next, Status.Code.OK);
        }
    }

    private static void manyCalls(Channel channel) throws Exception {
        TestServiceGrpc.TestServiceFutureStub stub =
                TestServiceGrpc.newFutureStub(channel).withDeadlineAfter(15, TimeUnit.SECONDS);
        List<Future<SimpleResponse>> calls = new ArrayList<>();
        for (int size = 0; size < 1_000; size++) {
            calls.add(stub.unaryCall(Checks.simpleRequest(size, 1)));
        }
        for (int size = 0; size < 1_000; size++) {
            Checks.checkZeros(calls.get(size).get().getPayload(), size);
        }
    }

    private static void trailersOnly(Channel channel) throws Exception {
        var stream = Checks.fullDuplex(channel);
        stream.call.onNext(Checks.askStatus(Status.Code.FAILED_PRECONDITION, "no message"));
        Status status = stream.end();
        Checks.checkStatus(status, Status.Code.FAILED_PRECONDITION);
        Checks.checkEqual("message", status.getDescription(), "no message");
    }

    private static void everyStatus(Channel channel) {
        String message = "ü € 😀 % \t \r\n";
        for (int code = 1; code <= 16; code++) {
            Status.Code expected = Status.fromCodeValue(code).getCode();
            SimpleRequest request = SimpleRequest.newBuilder()
                    .setResponseStatus(Checks.echoStatus(expected, message))
                    .build();
            Status status = Checks.statusOf(() -> Checks.blocking(channel).unaryCall(request));
            Checks.checkStatus(status, expected);
            Checks.checkEqual("message of " + expected, status.getDescription(), message);
        }
    }

    private static void statusDetails(Channel channel) {
        ByteString details = ByteString.copyFromUtf8("\b\u0003\u0012\u0007details");
        for (int count = 1; count <= 3; count++) {
            // A `google.rpc.Status` with the code, the message, and some empty details, for each padding of Base64. At
            // least one: grpc-go sends it only then.
            details = details.concat(ByteString.copyFromUtf8("\u001a\0"));
            Metadata metadata = new Metadata();
            metadata.put(Services.STATUS_DETAILS, details.toByteArray());
            Checks.Received received = new Checks.Received();
            Channel sending = ClientInterceptors.intercept(channel, Checks.sending(metadata), received.capture());
            Status status = Checks.statusOf(() -> Cases.emptyUnary(sending));
            Checks.checkStatus(status, Status.Code.INVALID_ARGUMENT);
            Checks.checkEqual("message", status.getDescription(), "details");
            byte[] echoed = received.trailers.get().get(Services.GRPC_STATUS_DETAILS);
            Checks.checkEqual("details", Arrays.toString(echoed), Arrays.toString(details.toByteArray()));
        }
    }

    private static void callWithin(Channel channel, long milliseconds) {
        TestServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(milliseconds, TimeUnit.MILLISECONDS)
                .emptyCall(Empty.getDefaultInstance());
    }

    private static void deadlines(Channel channel) {
        Cases.emptyUnary(channel);
        long hour = 3_600_000;
        for (long milliseconds : new long[] {50, 5_000, 100_000, 3 * hour, 30 * 24 * hour}) {
            Status status = Checks.statusOf(() -> callWithin(channel, milliseconds));
            Checks.checkEqual("status with a deadline of " + milliseconds + " ms", status, Status.OK);
        }
    }

    private static void deadlinePassed(Channel channel) {
        for (long milliseconds : new long[] {0, -1_000}) {
            Status status = Checks.statusOf(() -> callWithin(channel, milliseconds));
            Checks.checkStatus(status, Status.Code.DEADLINE_EXCEEDED);
        }
        Cases.emptyUnary(channel);
    }

    /** Brings a stream to a phase. */
    private interface Phase {
        void reach(Checks.Stream<StreamingOutputCallRequest, StreamingOutputCallResponse> stream) throws Exception;
    }

    private static void cancelIn(Channel channel, String phase, Phase reached) throws Exception {
        var stream = Checks.fullDuplex(channel);
        reached.reach(stream);
        Checks.checkEqual("status when cancelled " + phase, stream.cancel().getCode(), Status.Code.CANCELLED);
    }

    private static void cancelPhases(Channel channel) throws Exception {
        cancelIn(channel, "at once", stream -> {});
        // This one follows it on the same connection: once it is answered, the headers were sent.
        cancelIn(channel, "after headers", stream -> Cases.emptyUnary(channel));
        cancelIn(channel, "after the first message sent", stream -> {
            stream.call.onNext(StreamingOutputCallRequest.getDefaultInstance());
            Cases.emptyUnary(channel);
        });
        cancelIn(channel, "after the first message received", stream -> {
            stream.call.onNext(Checks.ask(1, 1));
            Checks.checkZeros(stream.next().getPayload(), 1);
        });
        cancelIn(channel, "after half-close", stream -> {
            StreamingOutputCallRequest.Builder late = Checks.ask(1, 1).toBuilder();
            late.getResponseParametersBuilder(0).setIntervalUs(1_000_000);
            stream.call.onNext(late.build());
            stream.call.onCompleted();
        });

        // More than every window, so that the server cannot have sent the end of it.
        StreamingOutputCallRequest request = StreamingOutputCallRequest.newBuilder()
                .addAllResponseParameters(
                        Collections.nCopies(1_000, ResponseParameters.newBuilder().setSize(64 * 1024).build()))
                .build();
        Status[] status = new Status[1];
        Context.CancellableContext context = Context.current().withCancellation();
        context.run(() -> status[0] = Checks.statusOf(() -> {
            Iterator<StreamingOutputCallResponse> responses = Checks.blocking(channel).streamingOutputCall(request);
            for (int i = 0; i < 10; i++) {
                Checks.checkNext(responses, 64 * 1024);
            }
            context.cancel(null);
            // What has arrived is still there.
            responses.forEachRemaining(response -> {});
        }));
        Checks.checkStatus(status[0], Status.Code.CANCELLED);
        Cases.emptyUnary(channel);
    }

    private static void emptyStreams(Channel channel) throws Exception {
        var input = new Checks.Stream<StreamingInputCallRequest, StreamingInputCallResponse>();
        Checks.async(channel).streamingInputCall(input);
        input.call.onCompleted();
        Checks.checkEqual("total size", input.next().getAggregatedPayloadSize(), 0);
        Checks.checkStatus(input.end(), Status.Code.OK);

        var full = Checks.fullDuplex(channel);
        full.call.onCompleted();
        Checks.checkStatus(full.end(), Status.Code.OK);

        var half = new Checks.Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>();
        Checks.async(channel).halfDuplexCall(half);
        half.call.onCompleted();
        Status status = half.end();
        // Not every server has this method.
        if (status.getCode() != Status.Code.UNIMPLEMENTED) {
            Checks.checkStatus(status, Status.Code.OK);
        }
    }

    private static void earlyStatus(Channel channel) throws Exception {
        var stream = Checks.fullDuplex(channel);
        stream.call.onNext(Checks.askStatus(Status.Code.ABORTED, "early"));
        StreamingOutputCallRequest request =
                StreamingOutputCallRequest.newBuilder().setPayload(Checks.zeros(64 * 1024)).build();
        for (int i = 0; i < 128; i++) {
            stream.call.onNext(request);
        }
        Status status = stream.end();
        Checks.checkStatus(status, Status.Code.ABORTED);
        Checks.checkEqual("message", status.getDescription(), "early");
        Cases.emptyUnary(channel);
    }

    /** The server must have been started with `--max-connection-age 1`. */
    private static void connectionAge(Channel channel) throws Exception {
        int count = 8;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
        ExecutorService threads = Executors.newFixedThreadPool(count);
        List<CompletableFuture<Void>> callers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            callers.add(CompletableFuture.runAsync(() -> {
                while (System.nanoTime() < end) {
                    Cases.emptyUnary(channel);
                }
            }, threads));
        }
        for (CompletableFuture<Void> caller : callers) {
            caller.get();
        }
    }

    private static void health(Channel channel) {
        HealthGrpc.HealthBlockingStub stub =
                HealthGrpc.newBlockingStub(channel).withDeadlineAfter(15, TimeUnit.SECONDS);
        for (String service : List.of("", "grpc.testing.TestService")) {
            HealthCheckResponse response = stub.check(HealthCheckRequest.newBuilder().setService(service).build());
            Checks.checkEqual(
                    "health of " + service, response.getStatus(), HealthCheckResponse.ServingStatus.SERVING);
        }
        HealthCheckRequest unknown = HealthCheckRequest.newBuilder().setService("unknown").build();
        Checks.checkStatus(Checks.statusOf(() -> stub.check(unknown)), Status.Code.NOT_FOUND);
    }

    private static void reflection(Channel channel) throws Exception {
        var stream = new Checks.Stream<ServerReflectionRequest, ServerReflectionResponse>();
        ServerReflectionGrpc.newStub(channel)
                .withDeadlineAfter(15, TimeUnit.SECONDS)
                .serverReflectionInfo(stream);
        stream.call.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
        stream.call.onCompleted();
        List<String> services = stream.next().getListServicesResponse().getServiceList().stream()
                .map(ServiceResponse::getName)
                .toList();
        if (!services.contains("grpc.testing.TestService")) {
            throw new AssertionError("the list lacks grpc.testing.TestService: " + services);
        }
        Checks.checkStatus(stream.end(), Status.Code.OK);
    }

    static final Map<String, Runner.Case> ALL = new LinkedHashMap<>();

    static {
        ALL.put("message_sizes", Extended::messageSizes);
        ALL.put("message_too_large", Extended::messageTooLarge);
        ALL.put("binary_metadata", Extended::binaryMetadata);
        ALL.put("large_metadata", Extended::largeMetadata);
        ALL.put("many_calls", Extended::manyCalls);
        ALL.put("trailers_only", Extended::trailersOnly);
        ALL.put("every_status", Extended::everyStatus);
        ALL.put("status_details", Extended::statusDetails);
        ALL.put("deadlines", Extended::deadlines);
        ALL.put("deadline_passed", Extended::deadlinePassed);
        ALL.put("cancel_phases", Extended::cancelPhases);
        ALL.put("empty_streams", Extended::emptyStreams);
        ALL.put("early_status", Extended::earlyStatus);
        ALL.put("connection_age", Extended::connectionAge);
        ALL.put("health", Extended::health);
        ALL.put("reflection", Extended::reflection);
    }
}
