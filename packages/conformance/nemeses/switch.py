"""A network switch as a program: every frame between machines passes through it, and may be lost, held back, repeated, overtaken or slowed down.

Used where the kernel has no `netem`, and everywhere, so that one set of faults is tested: `switch.py TAP [TAP ...]` attaches to TAP devices that exist.
A line of JSON on standard input replaces all rules: [{"from": 0, "to": 2, "ports": [first, last] | null, "drop": bool, "loss": share,
"delayMs": ms, "jitterMs": ms, "duplicate": share, "reorder": share, "rate": bytes per second | null}]. Devices are named by their place in the
arguments. A frame takes the first rule that fits; frames without one pass at once. "ports" is compared with both TCP ports. One line "ok" answers each.
Held frames of a pair of machines keep their order, unless they are among those reordered: these pass at once (as `netem reorder` does).
The end of standard input is the end of the program.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x0002 | 0x1000
# What a link that is limited in rate holds at most, as a real one does.
QUEUE_BYTES = 1 << 20


def attach(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP_NO_PI))
    return fd


def tcp_ports(frame):
    """Both ports of a TCP segment over IPv4 over Ethernet, or None."""
    if len(frame) < 38 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    at = 14 + (frame[14] & 15) * 4
    return struct.unpack_from("!HH", frame, at)


def fits(rule, frame):
    ports = rule.get("ports")
    if not ports:
        return True
    both = tcp_ports(frame)
    return both is not None and any(ports[0] <= one <= ports[1] for one in both)


def main():
    fds = [attach(name) for name in sys.argv[1:]]
    index_of = {fd: index for index, fd in enumerate(fds)}
    learned = {}
    rules = {}
    held = []
    count = 0
    last = {}
    busy = {}
    control = b""
    poller = select.epoll()
    for fd in fds:
        poller.register(fd, select.EPOLLIN)
    poller.register(0, select.EPOLLIN | select.EPOLLHUP)
    os.set_blocking(0, False)

    def write(to, frame):
        try:
            os.write(fds[to], frame)
        except OSError:
            pass

    def forward(source, to, frame, now):
        nonlocal count
        rule = None
        for one in rules.get((source, to), ()):
            if fits(one, frame):
                rule = one
                break
        if rule is None:
            write(to, frame)
            return
        if rule.get("drop") or random.random() < rule.get("loss", 0):
            return
        copies = 2 if random.random() < rule.get("duplicate", 0) else 1
        delay = (rule.get("delayMs", 0) + random.random() * rule.get("jitterMs", 0)) / 1000
        for _ in range(copies):
            due = now + delay
            if random.random() < rule.get("reorder", 0):
                write(to, frame)
                continue
            rate = rule.get("rate")
            pair = (source, to)
            if rate:
                free = max(now, busy.get(pair, 0.0))
                if (free - now) * rate > QUEUE_BYTES:
                    continue
                busy[pair] = free + len(frame) / rate
                due = busy[pair] + delay
            due = max(due, last.get(pair, 0.0))
            last[pair] = due
            if due <= now:
                write(to, frame)
                continue
            count += 1
            heapq.heappush(held, (due, count, to, frame))

    print("ok", flush=True)
    while True:
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, _, to, frame = heapq.heappop(held)
            write(to, frame)
        timeout = max(0.0, held[0][0] - now) if held else -1
        for fd, event in poller.poll(timeout):
            if fd == 0:
                piece = os.read(0, 1 << 20)
                if not piece:
                    return
                control += piece
                while b"\n" in control:
                    line, control = control.split(b"\n", 1)
                    rules = {}
                    for rule in json.loads(line):
                        rules.setdefault((rule["from"], rule["to"]), []).append(rule)
                    print("ok", flush=True)
                continue
            source = index_of[fd]
            # A batch, so that no machine waits for long behind another one.
            for _ in range(64):
                try:
                    frame = os.read(fd, 65536)
                except BlockingIOError:
                    break
                except OSError:
                    break
                learned[frame[6:12]] = source
                now = time.monotonic()
                to = learned.get(frame[0:6])
                if to is not None:
                    if to != source:
                        forward(source, to, frame, now)
                    continue
                for other in range(len(fds)):
                    if other != source:
                        forward(source, other, frame, now)


main()
