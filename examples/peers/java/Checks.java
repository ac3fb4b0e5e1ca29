import com.google.protobuf.ByteString;
import grpc.testing.Test.EchoStatus;
import grpc.testing.Test.Payload;
import grpc.testing.Test.ResponseParameters;
import grpc.testing.Test.SimpleRequest;
import grpc.testing.Test.StreamingInputCallRequest;
import grpc.testing.Test.StreamingOutputCallRequest;
import grpc.testing.Test.StreamingOutputCallResponse;
import grpc.testing.TestServiceGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.util.Iterator;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** What the cases share: calls and checks. */
final class Checks {
    static final int LARGE_REQUEST = 271_828;
    static final int LARGE_RESPONSE = 314_159;

    private Checks() {}

    static void checkEqual(String what, Object seen, Object expected) {
        if (!seen.equals(expected)) {
            throw new AssertionError(what + ": " + seen + " instead of " + expected);
        }
    }

    static void checkStatus(Status status, Status.Code expected) {
        if (status.getCode() != expected) {
            throw new AssertionError(status);
        }
    }

    /** A call that may fail. */
    interface Attempt {
        void run() throws Exception;
    }

    static Status statusOf(Attempt attempt) {
        try {
            attempt.run();
            return Status.OK;
        } catch (Exception failure) {
            return Status.fromThrowable(failure);
        }
    }

    static Payload zeros(int size) {
        return Services.zeros(size);
    }

    static void checkZeros(Payload payload, int size) {
        checkEqual("size of the response", payload.getBody().size(), size);
        checkEqual("the response is zeros", payload.getBody().equals(ByteString.copyFrom(new byte[size])), true);
    }

    // A deadline earlier than the limit of the case.
    static TestServiceGrpc.TestServiceBlockingStub blocking(Channel channel) {
        return TestServiceGrpc.newBlockingStub(channel).withDeadlineAfter(15, TimeUnit.SECONDS);
    }

    static TestServiceGrpc.TestServiceStub async(Channel channel) {
        return TestServiceGrpc.newStub(channel).withDeadlineAfter(15, TimeUnit.SECONDS);
    }

    static ClientInterceptor sending(Metadata metadata) {
        return MetadataUtils.newAttachHeadersInterceptor(metadata);
    }

    /** The metadata that a call receives. */
    static final class Received {
        final AtomicReference<Metadata> headers = new AtomicReference<>(new Metadata());
        final AtomicReference<Metadata> trailers = new AtomicReference<>(new Metadata());

        ClientInterceptor capture() {
            return MetadataUtils.newCaptureMetadataInterceptor(headers, trailers);
        }
    }

    static SimpleRequest simpleRequest(int responseSize, int requestSize) {
        return SimpleRequest.newBuilder().setResponseSize(responseSize).setPayload(zeros(requestSize)).build();
    }

    static StreamingOutputCallRequest ask(int responseSize, int requestSize) {
        return StreamingOutputCallRequest.newBuilder()
                .addResponseParameters(ResponseParameters.newBuilder().setSize(responseSize))
                .setPayload(zeros(requestSize))
                .build();
    }

    static EchoStatus echoStatus(Status.Code code, String message) {
        return EchoStatus.newBuilder().setCode(code.value()).setMessage(message).build();
    }

    static StreamingOutputCallRequest askStatus(Status.Code code, String message) {
        return StreamingOutputCallRequest.newBuilder().setResponseStatus(echoStatus(code, message)).build();
    }

    static StreamingInputCallRequest input(int size) {
        return StreamingInputCallRequest.newBuilder().setPayload(zeros(size)).build();
    }

    static void checkNext(Iterator<StreamingOutputCallResponse> responses, int size) {
        checkEqual("there is a response", responses.hasNext(), true);
        checkZeros(responses.next().getPayload(), size);
    }

    /** A call whose requests are a stream. Its responses wait here. */
    static final class Stream<Q, S> implements ClientResponseObserver<Q, S> {
        private final BlockingQueue<Object> events = new LinkedBlockingQueue<>();
        ClientCallStreamObserver<Q> call;

        @Override
        public void beforeStart(ClientCallStreamObserver<Q> started) {
            call = started;
        }

        @Override
        public void onNext(S response) {
            events.add(response);
        }

        @Override
        public void onError(Throwable failure) {
            events.add(Status.fromThrowable(failure));
        }

        @Override
        public void onCompleted() {
            events.add(Status.OK);
        }

        @SuppressWarnings("unchecked")
        S next() throws InterruptedException {
            Object event = events.take();
            if (event instanceof Status) {
                throw new AssertionError("no response, but " + event);
            }
            return (S) event;
        }

        /** The status at the end; fails if a response comes first. */
        Status end() throws InterruptedException {
            Object event = events.take();
            if (event instanceof Status status) {
                return status;
            }
            throw new AssertionError("a response after the last");
        }

        Status cancel() throws InterruptedException {
            call.cancel("no longer needed", null);
            return end();
        }
    }

    static Stream<StreamingOutputCallRequest, StreamingOutputCallResponse> fullDuplex(Channel channel) {
        Stream<StreamingOutputCallRequest, StreamingOutputCallResponse> stream = new Stream<>();
        async(channel).fullDuplexCall(stream);
        return stream;
    }
}
