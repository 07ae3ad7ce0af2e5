// The workloads by virtual threads (Java 21 or later): WORKLOAD WORKERS N THREADS. See workloads/mod.rs for what each is.
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

final class Peer {
    interface Body {
        void run() throws Exception;
    }

    static Thread start(Body body) {
        return Thread.startVirtualThread(() -> {
            try {
                body.run();
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        });
    }

    static void together(long count, Body body) throws InterruptedException {
        var all = new ArrayList<Thread>();
        for (long i = 0; i < count; i++) {
            all.add(start(body));
        }
        for (var one : all) {
            one.join();
        }
    }

    static void yields(long n, long threads) throws InterruptedException {
        var up = new CountDownLatch((int) threads);
        together(threads, () -> {
            up.countDown();
            up.await();
            for (long i = 0; i < n / threads; i++) {
                Thread.yield();
            }
        });
    }

    static void spawns(long n, boolean yields) throws InterruptedException {
        for (long done = 0; done < n; done += 10_000) {
            together(Math.min(10_000, n - done), () -> {
                if (yields) {
                    Thread.yield();
                }
            });
        }
    }

    static void channel(long n) throws InterruptedException {
        var to = new ArrayBlockingQueue<Long>(1);
        var back = new ArrayBlockingQueue<Long>(1);
        start(() -> {
            for (long i = 0; i < n; i++) {
                back.put(to.take() + 1);
            }
        });
        var main = start(() -> {
            for (long i = 0; i < n; i++) {
                to.put(i);
                back.take();
            }
        });
        main.join();
    }

    static void manyToMany(long n) throws InterruptedException {
        var queue = new ArrayBlockingQueue<Long>(1024);
        var all = new ArrayList<Thread>();
        for (int i = 0; i < 4; i++) {
            all.add(start(() -> {
                for (long j = 0; j < n / 4; j++) {
                    queue.put(j);
                }
            }));
            all.add(start(() -> {
                for (long j = 0; j < n / 4; j++) {
                    queue.take();
                }
            }));
        }
        for (var one : all) {
            one.join();
        }
    }

    static long counted;
    static long longest;

    static void mutex(long n, long threads, boolean held) throws InterruptedException {
        var lock = new ReentrantLock();
        together(threads, () -> {
            for (long round = 0; round < n / threads; round++) {
                long since = held && round % 37 == 36 ? System.nanoTime() : 0;
                lock.lock();
                if (since != 0) {
                    longest = Math.max(longest, System.nanoTime() - since);
                }
                if (held) {
                    Thread.yield();
                }
                counted++;
                lock.unlock();
            }
        });
        if (held) {
            System.out.println("longest wait, ms " + longest / 1e6);
        }
    }

    static void sleeps(long n) throws InterruptedException {
        for (long done = 0; done < n; done += 100_000) {
            long seed = 42, start = System.nanoTime(), batch = Math.min(100_000, n - done);
            var late = new AtomicLong();
            var all = new ArrayList<Thread>();
            for (long i = 0; i < batch; i++) {
                seed ^= seed >>> 12;
                seed ^= seed << 25;
                seed ^= seed >>> 27;
                long pause = Long.remainderUnsigned(seed * 0x2545f4914f6cdd1dL, 1001);
                all.add(start(() -> {
                    long begin = System.nanoTime();
                    Thread.sleep(pause);
                    late.addAndGet(System.nanoTime() - begin - pause * 1_000_000);
                }));
            }
            for (var one : all) {
                one.join();
            }
            System.out.println("delay, ms " + ((System.nanoTime() - start) / 1e6 - 1000));
            System.out.println("late, us " + late.get() / (double) batch / 1e3);
        }
    }

    static void stop(String at) throws IOException {
        System.out.println(at);
        System.out.flush();
        int read;
        do {
            read = System.in.read();
        } while (read >= 0 && read != '\n');
        if (read < 0) {
            System.exit(0);
        }
    }

    static void memory(long n) throws Exception {
        var never = new CountDownLatch(1);
        var up = new AtomicLong();
        stop("ready");
        for (long i = 0; i < n; i++) {
            start(() -> {
                up.incrementAndGet();
                never.await();
            });
        }
        while (up.get() < n) {
            Thread.sleep(1);
        }
        stop("up");
    }

    static void serve(Socket stream) throws IOException {
        try (stream) {
            stream.setTcpNoDelay(true);
            var buffer = new byte[4096];
            var input = stream.getInputStream();
            var output = stream.getOutputStream();
            for (int n; (n = input.read(buffer)) > 0; ) {
                output.write(buffer, 0, n);
            }
        }
    }

    static void echo() throws IOException {
        Thread.ofPlatform().daemon().start(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException ignored) {
                // It ends all the same.
            }
            System.exit(0);
        });
        try (var listener = new ServerSocket(0, 1024, InetAddress.getLoopbackAddress())) {
            System.out.println("127.0.0.1:" + listener.getLocalPort());
            while (true) {
                var stream = listener.accept();
                start(() -> serve(stream));
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        long n = Long.parseLong(arguments[2]), threads = Long.parseLong(arguments[3]);
        switch (arguments[0]) {
            case "yield" -> yields(n, threads);
            case "spawn" -> spawns(n, false);
            case "spawn_yield" -> spawns(n, true);
            case "channel" -> channel(n);
            case "mpmc" -> manyToMany(n);
            case "mutex" -> mutex(n, threads, false);
            case "mutex_held" -> mutex(n, threads, true);
            case "sleeps" -> sleeps(n);
            case "memory" -> memory(n);
            case "echo" -> echo();
            default -> System.exit(2);
        }
    }
}
