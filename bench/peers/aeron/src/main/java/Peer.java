import io.aeron.Aeron;
import io.aeron.CommonContext;
import io.aeron.ExclusivePublication;
import io.aeron.FragmentAssembler;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.FragmentHandler;
import java.util.Arrays;
import java.util.Locale;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.BusySpinIdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * One side of a measurement over Aeron IPC: see ../go/main.go for the tasks and the output. The
 * driver runs in the far process, by calls from its loop, so that two cores are enough.
 *
 * <pre>Peer aeron flow|trip BYTES MILLISECONDS near|far FOLDER</pre>
 */
public final class Peer {
  private static final int STOP = 255;
  private static final int THERE = 1;
  private static final int BACK = 2;

  private final String task;
  private final int size;
  private final long span;
  private MediaDriver driver;
  private ExclusivePublication out;
  private Subscription in;
  private long count;
  private long first;
  private long last;
  private int received;

  private Peer(final String[] args) {
    task = args[1];
    size = Integer.parseInt(args[2]);
    span = Long.parseLong(args[3]) * 1_000_000;
  }

  public static void main(final String[] args) {
    new Peer(args).run("far".equals(args[4]), args[5] + "/aeron");
  }

  private void run(final boolean far, final String folder) {
    if (far) {
      driver = MediaDriver.launch(new MediaDriver.Context()
          .aeronDirectoryName(folder)
          .threadingMode(ThreadingMode.INVOKER)
          .ipcTermBufferLength(Math.max(4 << 20, 16 * size)) // small ones stay in the cache
          .ipcMtuLength(65504)
          .termBufferSparseFile(false)
          .dirDeleteOnShutdown(true));
      System.out.println("ready");
    }
    final Aeron.Context context = new Aeron.Context().aeronDirectoryName(folder)
        .idleStrategy(new BusySpinIdleStrategy()).useConductorAgentInvoker(true);
    if (far) {
      context.driverAgentInvoker(driver.sharedAgentInvoker());
    }
    final Aeron aeron = Aeron.connect(context);
    client = aeron;
    in = aeron.addSubscription(CommonContext.IPC_CHANNEL, far ? THERE : BACK);
    out = aeron.addExclusivePublication(CommonContext.IPC_CHANNEL, far ? BACK : THERE);
    while (!out.isConnected() || !in.isConnected()) {
      work();
    }
    if (far) {
      far();
      final long grace = System.nanoTime() + 300_000_000L;
      while (System.nanoTime() < grace) { // the driver is needed until the near side has left
        work();
      }
    } else {
      near();
    }
    aeron.close();
    if (driver != null) {
      driver.close();
    }
  }

  private Aeron client;

  /** What the threads of driver and client do elsewhere. */
  private void work() {
    if (driver != null) {
      driver.sharedAgentInvoker().invoke();
    }
    client.conductorAgentInvoker().invoke();
  }

  private void send(final DirectBuffer message) {
    for (long result; (result = out.offer(message, 0, size)) < 0; ) {
      if (result == ExclusivePublication.CLOSED || result == ExclusivePublication.MAX_POSITION_EXCEEDED) {
        throw new IllegalStateException("offer gave " + result);
      }
      work();
    }
  }

  private void near() {
    final UnsafeBuffer[] src = new UnsafeBuffer[8];
    for (int k = 0; k < 8; k++) {
      src[k] = filled(k);
    }
    final long begun = System.nanoTime();
    if ("trip".equals(task)) {
      trips(src, begun);
    } else {
      final int every = Math.max(8, (1 << 20) / Math.max(size, 1 << 10));
      while (System.nanoTime() - begun < span) {
        for (int n = 0; n < every; n++) {
          send(src[n & 7]);
        }
        work();
      }
    }
    send(filled(STOP));
  }

  private void trips(final UnsafeBuffer[] src, final long begun) {
    long[] took = new long[1 << 16];
    int n = 0;
    final FragmentHandler answer = new FragmentAssembler((buffer, at, length, header) -> {
      if (length != size || buffer.getByte(at) != buffer.getByte(at + length - 1)) {
        throw new IllegalStateException("an answer is not what was sent");
      }
      received++;
    });
    for (long before = begun, now; before - begun < span; before = now) {
      send(src[n & 7]);
      for (int spins = 0; received <= n; spins++) {
        in.poll(answer, 1);
        if ((spins & 1023) == 1023) {
          work();
        }
      }
      now = System.nanoTime();
      if (n == took.length) {
        took = Arrays.copyOf(took, 2 * n);
      }
      took[n++] = now - before;
    }
    final long[] kept = Arrays.copyOfRange(took, n / 10, n); // the first are warm-up
    Arrays.sort(kept);
    System.out.printf(Locale.ROOT, "{\"count\": %d, \"p50\": %d, \"p99\": %d, \"p999\": %d}%n",
        kept.length, at(kept, 0.5), at(kept, 0.99), at(kept, 0.999));
  }

  private static long at(final long[] sorted, final double q) {
    return sorted[(int) (q * (sorted.length - 1))];
  }

  private UnsafeBuffer filled(final int k) {
    final byte[] bytes = new byte[size];
    Arrays.fill(bytes, (byte) k);
    return new UnsafeBuffer(bytes);
  }

  private boolean more = true;

  private void far() {
    final boolean answered = "trip".equals(task);
    final FragmentHandler handler = new FragmentAssembler((buffer, at, length, header) -> {
      final byte head = buffer.getByte(at);
      if (head == (byte) STOP) {
        last = System.nanoTime();
        more = false;
        return;
      }
      if (count++ == 0) {
        first = System.nanoTime();
      }
      if (length != size || head != buffer.getByte(at + length - 1)) {
        throw new IllegalStateException("message " + count + " is torn");
      }
      if (answered) {
        send(new UnsafeBuffer(buffer, at, length));
      }
    });
    for (int n = 0; more; n++) {
      if (in.poll(handler, 64) == 0 || (n & 15) == 0) {
        work();
      }
    }
    if (!answered) {
      System.out.printf(Locale.ROOT, "{\"count\": %d, \"seconds\": %f}%n", count, (last - first) / 1e9);
    }
  }
}
