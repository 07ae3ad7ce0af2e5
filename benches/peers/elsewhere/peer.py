"""The workloads by gevent and greenlet: WORKLOAD WORKERS N THREADS. See workloads/mod.rs for what each is."""

import os
import sys
import threading
import time

import gevent
import gevent.event
import greenlet
from gevent.lock import BoundedSemaphore
from gevent.queue import Queue
from gevent.server import StreamServer


def switch(n, _):
    main = greenlet.getcurrent()

    def body(value):
        while True:
            value = main.switch(value)

    child = greenlet.greenlet(body)
    for i in range(n):
        child.switch(i)


def yields(n, threads):
    up, gate = 0, gevent.event.Event()

    def one():
        nonlocal up
        up += 1
        if up == threads:
            gate.set()
        gate.wait()
        for _ in range(n // threads):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(one) for _ in range(threads)])


def spawn(n, _, body=lambda captured: None):
    for done in range(0, n, 10000):
        gevent.joinall([gevent.spawn(body, (i,) * 4) for i in range(min(10000, n - done))])


def spawn_yield(n, threads):
    spawn(n, threads, lambda captured: gevent.sleep(0))


def channel(n, _):
    to, back = Queue(1), Queue(1)

    def other():
        for _ in range(n):
            back.put(to.get() + 1)

    gevent.spawn(other)
    for i in range(n):
        to.put(i)
        assert back.get() == i + 1


def mpmc(n, _):
    queue = Queue(1024)

    def sender():
        for i in range(n // 4):
            queue.put(i)

    def receiver():
        for _ in range(n // 4):
            queue.get()

    gevent.joinall([gevent.spawn(body) for body in (sender, receiver) for _ in range(4)])


def mutex(n, threads, held=False):
    lock, count, longest = BoundedSemaphore(), 0, 0

    def one():
        nonlocal count, longest
        for turn in range(n // threads):
            since = time.monotonic()
            with lock:
                if held and turn % 37 == 36:
                    longest = max(longest, time.monotonic() - since)
                if held:
                    gevent.sleep(0)
                count += 1

    gevent.joinall([gevent.spawn(one) for _ in range(threads)])
    assert count == n // threads * threads
    if held:
        print("longest wait, ms", longest * 1e3)


def sleeps(n, _):
    def pauses(count):
        seed, mask = 42, (1 << 64) - 1
        for _ in range(count):
            seed ^= seed >> 12
            seed = (seed ^ seed << 25) & mask
            seed ^= seed >> 27
            yield (seed * 0x2545F4914F6CDD1D & mask) % 1001 / 1000

    for done in range(0, n, 100000):
        begin = time.monotonic()
        gevent.joinall([gevent.spawn(gevent.sleep, pause) for pause in pauses(min(100000, n - done))])
        print("delay, ms", (time.monotonic() - begin - 1) * 1e3)


def memory(n, _):
    def stop(at):
        print(at, flush=True)
        if not sys.stdin.readline():
            os._exit(0)

    up, never = 0, gevent.event.Event()

    def one():
        nonlocal up
        up += 1
        never.wait()

    stop("ready")
    for _ in range(n):
        gevent.spawn(one)
    while up < n:
        gevent.sleep(0.001)
    stop("up")


def echo(_, __):
    def end():
        sys.stdin.read()
        os._exit(0)

    def serve(stream, _):
        while data := stream.recv(4096):
            stream.sendall(data)

    threading.Thread(target=end, daemon=True).start()
    server = StreamServer(("127.0.0.1", 0), serve, backlog=1024)
    server.start()
    print(f"127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


WORKLOADS = {
    "switch": switch,
    "yield": yields,
    "spawn": spawn,
    "spawn_yield": spawn_yield,
    "channel": channel,
    "mpmc": mpmc,
    "mutex": mutex,
    "mutex_held": lambda n, threads: mutex(n, threads, True),
    "sleeps": sleeps,
    "memory": memory,
    "echo": echo,
}
WORKLOADS[sys.argv[1]](int(sys.argv[3]), int(sys.argv[4]))
