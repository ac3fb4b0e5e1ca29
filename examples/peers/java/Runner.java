import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs cases, each within a limit of time. */
final class Runner {
    private static final int LIMIT_SECONDS = 20;

    private Runner() {}

    /** A case; fails by throwing. */
    interface Case {
        void run(ManagedChannel channel) throws Exception;
    }

    /** Why a case says nothing about this server or this stack. */
    static final class NotApplicable extends RuntimeException {
        NotApplicable(String why) {
            super(why);
        }
    }

    private static Map<String, Case> select(List<String> names, boolean extended) {
        if (names.isEmpty()) {
            return extended ? Extended.ALL : Cases.ALL;
        }
        Map<String, Case> selected = new LinkedHashMap<>();
        for (String name : names) {
            Case known = Cases.ALL.getOrDefault(name, Extended.ALL.get(name));
            if (known == null) {
                throw new IllegalArgumentException("unknown case \"" + name + "\"");
            }
            selected.put(name, known);
        }
        return selected;
    }

    /** A case that hangs keeps its thread. The next one does not wait for it. */
    private static void runWithinLimit(Case one, ManagedChannel channel) throws Throwable {
        CompletableFuture<Void> ended = new CompletableFuture<>();
        new Thread(() -> {
            try {
                one.run(channel);
                ended.complete(null);
            } catch (Throwable failure) {
                ended.completeExceptionally(failure);
            }
        }).start();
        try {
            ended.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException failure) {
            throw failure.getCause();
        } catch (TimeoutException hangs) {
            throw new AssertionError("it did not end within " + LIMIT_SECONDS + " s");
        }
    }

    /**
     * Runs the cases and prints a line for each: those of `names`, or, when there are none, the official or the
     * extended ones. False when one of them failed.
     */
    static boolean runCases(ManagedChannel channel, List<String> names, boolean extended) {
        List<String> failed = new ArrayList<>();
        select(names, extended).forEach((name, one) -> {
            String outcome;
            try {
                runWithinLimit(one, channel);
                outcome = "passed";
            } catch (NotApplicable reason) {
                outcome = "not applicable: " + reason.getMessage();
            } catch (Throwable failure) {
                failed.add(name);
                boolean expected = failure instanceof AssertionError;
                outcome = "failed: " + (expected ? failure.getMessage() : failure);
            }
            System.out.println(name + ": " + outcome.replace("\n", "\\n"));
        });
        return failed.isEmpty();
    }
}
