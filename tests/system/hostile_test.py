"""Malformed and smuggling-style HTTP on every listener of the control plane, and slow peers."""
import socket
import ssl
import threading
import time

from stage import Rest, equal, expect, raw_exchange
from world import ADMIN


def scene(world):
    world.options = {"cloud": ["--client-head-timeout", "2s"]}
    world.bring_up()


def context():
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
    return plain


CASES = {
    "two lengths": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunked": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded line": b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "bare LF": b"GET /x HTTP/1.1\nHost: a\n\n",
    "bare CR": b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
    "space before colon": b"GET /x HTTP/1.1\r\nHost : a\r\n\r\n",
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "NUL": b"GET /x HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "huge line": b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "huge chunk line": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n",
    "dots": b"GET /api/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "encoded dots": b"GET /api/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "garbage": bytes(range(1, 255)) * 20,
}


def attack(port):
    for name, data in CASES.items():
        seen = raw_exchange(port, data, seconds=20, close_write=False, tls=context())
        expect(seen == b"" or seen[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), f"{name}: saw {seen[:200]!r}")
        expect(seen.count(b"HTTP/1.1 ") <= 1, f"{name}: several answers {seen[:300]!r}")


def case_console(world):
    """malformed HTTP on the console's listener is refused, and it goes on serving"""
    attack(world.ports.console)
    equal(Rest(world.ports.console).call("GET", "/healthz").status, 200, "/healthz")


def case_tunnel_listener(world):
    """malformed HTTP on the tunnels' listener is refused, and tunnels stay up"""
    attack(world.ports.tunnel)
    equal(world.state(), "Connected", "the tunnel")


def case_admin(world):
    """malformed HTTP on the connector's administration is refused, and it goes on serving"""
    attack(world.ports.admin)
    equal(Rest(world.ports.admin).call("GET", "/exposed?action=ping").status, 200, "ping")


def case_tls_garbage(world):
    """bytes that are no TLS are dropped on every TLS listener"""
    for port in (world.ports.console, world.ports.tunnel, world.ports.admin):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 500, b"\0" * 100):
            seen = raw_exchange(port, data, seconds=20, close_write=True)
            expect(b"HTTP/1.1 2" not in seen, f"saw {seen[:100]!r}")
    equal(Rest(world.ports.console).call("GET", "/healthz").status, 200, "/healthz")


def case_body_too_large(world):
    """a body over the limit is refused with 413 and the limit's name"""
    answer = world.admin.call("PUT", "/api/v1/configuration/connector", b"{" + b" " * (3 << 20) + b"}",
                              headers={"Content-Type": "application/json"})
    equal(answer.status, 413, f"saw {answer}")
    expect("max" in answer.text.lower() or "limit" in answer.text.lower(), f"no limit named: {answer}")


def case_deep_json(world):
    """JSON nested a thousand deep is refused with 400"""
    answer = world.admin.call("PUT", "/api/v1/configuration/connector", "[" * 1000 + "]" * 1000,
                              headers={"Content-Type": "application/json"})
    equal(answer.status, 400, f"saw {answer}")


def case_slow_head(world):
    """a head that never ends is given up in time, and many of them keep nobody else out"""
    slow, seen = [], []

    def unfinished():
        s = socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=90)
        s.sendall(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX-")
        slow.append(s)
        return s

    def watch():
        """The first of them, beside the others: how long it lasts is not for them to say."""
        s, begun = unfinished(), time.monotonic()
        while piece := s.recv(4096):
            seen.append(piece)
        seen.insert(0, time.monotonic() - begun)
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    for _ in range(200):
        unfinished()
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request beside them")
    watching.join(90)
    expect(seen and isinstance(seen[0], float), f"it was not given up: {seen}")
    expect(b"".join(seen[1:]).startswith(b"HTTP/1.1 408"), f"saw {seen}")
    expect(seen[0] < 10, f"the limit of the settings was not obeyed, it lasted {seen[0]:.1f} s")
    for s in slow:
        s.close()


HELD = 60                # uploads that lack their last bytes
BODY = 4 * 1024 * 1024   # as long as one may be
BODIES = 32              # as many as the server holds: 128 MiB


def hold(port):
    """An upload of nobody's that does not end."""
    sock = context().wrap_socket(socket.create_connection(("127.0.0.1", port), 20))
    sock.settimeout(60)
    sock.sendall(b"POST /api/v1/KeystoreResources HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY)
    sock.sendall(bytes(BODY - 65536))
    return sock


def case_unfinished_bodies(world):
    """of uploads of nobody's that do not end the server holds a bounded part, and a real one gets through"""
    held = [hold(world.ports.console) for _ in range(HELD)]
    try:
        for number, sock in enumerate(held[:HELD - BODIES - 1]):
            seen = sock.recv(100)
            expect(seen.startswith(b"HTTP/1.1 503"), f"upload {number} is held still, or answered {seen!r}")
        answer = Rest(world.ports.console, ADMIN, world.cloud_password).call(
            "POST", "/api/drawbridge/v1/users", {"name": "x" * 70000})
        expect(answer.status in (400, 413), f"a real request: {answer.status} {answer.text[:200]}")
    finally:
        for sock in held:
            sock.close()
