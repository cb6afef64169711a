"""Internal systems that hang or hide behind TLS, connections that several principals share, and load
that must stay bounded. Cases that wait for a time limit come last, with a short one."""
import contextlib
import os
import socket
import threading

import pieces
from servers import Nginx, self_signed
from stage import Failure, equal, expect, free_ports, raw_exchange, wait_for
from world import CLOUD, CONNECTOR

TRUST = CONNECTOR + "/connector/onPremises/truststore/certificates"


def case_https_backend(world):
    """an HTTPS back end is refused until its certificate is trusted; the refusal names issuer and cure"""
    certificate, key = self_signed(world.sub("tls"), "intern.example")
    backend = world.started(Nginx(world.sub("nginx-tls"), free_ports(1)[0], certificate, key))
    virtual = "secure.virtual:443"
    world.map(virtual, f"127.0.0.1:{backend.port}", "/public", protocol="HTTPS")
    url = f"http://{virtual}/public/hello.txt"
    answer = world.client().get(url)
    equal(answer.status, 502, f"saw {answer}")
    for word in ("trust store", "intern.example"):
        expect(word in answer.text, f"{word} is not named: {answer}")
    with open(certificate, encoding="ascii") as f:
        world.admin.must("POST", TRUST, f.read(), headers={"Content-Type": "application/x-pem-file"})
    equal(world.client().get(url).status, 200, "after the certificate was trusted")
    world.admin.must("DELETE", TRUST)
    equal(world.client().get(url).status, 502, "after nobody is trusted any more")


def other_subaccount(world):
    """Another tenant on the same connector: its id and a token of it."""
    made = world.console.must("POST", f"{CLOUD}/subaccounts",
                              {"displayName": "Plant South", "owner": world.owner}).json()["id"]
    key = world.console.must("POST", f"{CLOUD}/subaccounts/{made}/service-keys",
                             {"name": "south"}).json()["credentials"]
    data = world.console.must("POST", f"{CLOUD}/subaccounts/{made}/authentication-data",
                              {}).json()["authenticationData"]
    world.admin.must("POST", CONNECTOR + "/subaccounts", {"authenticationData": data})
    return made, world.token_answer(key).json()["access_token"]


def case_two_tenants(world):
    """two tenants take turns on one kept-alive connection, and each reaches its own system only"""
    with pieces.Backend(world) as north:
        north.answer, north.keep = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnorth", True
        south, south_token = other_subaccount(world)
        path = f"{CONNECTOR}/subaccounts/{world.region}/{south}"
        with pieces.Backend(world, mapped=False) as b:
            b.answer, b.keep = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsouth", True
            host, port = north.virtual.split(":")
            world.admin.must("POST", path + "/systemMappings", {
                "virtualHost": host, "virtualPort": port, "localHost": "127.0.0.1",
                "localPort": str(b.port), "protocol": "HTTP", "backendType": "nonSAPsys",
                "authenticationMode": "NONE"})
            world.admin.must("POST", f"{path}/systemMappings/{north.virtual}/resources",
                             {"id": "/", "enabled": True, "exactMatchOnly": False})
            c = world.client()
            tokens = {"north": c.token, "south": south_token}

            def ask(who):
                c.token = tokens[who]
                return c.get(f"http://{north.virtual}/any")
            wait_for(lambda: ask("south").status == 200, "the other tenant's tunnel")
            equal(ask("north").text, "north", "the first tenant")
            port_before = c.connection.sock.getsockname()
            for i in range(20):
                for who in ("south", "north"):
                    equal((ask(who).text, c.connection.sock.getsockname()), (who, port_before),
                          f"round {i}")
            c.token = tokens["south"]
            equal(c.get(world.url("/public/hello.txt")).status, 403, "the other's system")
        world.admin.must("DELETE", path)


def case_connection_authentication(world):
    """a back-end connection that saw NTLM stays with its client and is shared with nobody"""
    with pieces.Backend(world) as b:
        b.keep = True
        url = f"http://{b.virtual}/any"
        first, second = world.client(), world.client()
        ntlm = {"Authorization": "NTLM TlRMTVNTUAABAAAA"}
        for client, fields in ((first, ntlm), (second, {}), (first, {}), (second, ntlm), (first, {})):
            equal(client.get(url, headers=fields).status, 200, "answer")
        a1, b1, a2, b2, a3 = b.carriers
        expect(a1 == a2 == a3, f"the authenticated connection did not stay: {b.carriers}")
        expect(a1 not in (b1, b2), f"it was shared: {b.carriers}")


def case_endless_upload(world):
    """an endless chunked body that the back end does not read stops the client; memory stays bounded"""
    before = (world.memory("cloud"), world.memory("connector"))
    with pieces.Backend(world) as b:
        b.deaf = True
        with socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=30) as s:
            s.sendall(world.raw("PUT", "/any", host=b.virtual, fields="Transfer-Encoding: chunked\r\n"))
            chunk = b"10000\r\n" + b"u" * 65536 + b"\r\n"
            s.settimeout(1.0)
            sent = 0
            try:
                while sent < 300 << 20:
                    sent += s.send(chunk)
            except (TimeoutError, ConnectionError):
                pass
            expect(sent < 64 << 20, f"{sent} bytes were taken for a back end that reads nothing")
    after = (world.memory("cloud"), world.memory("connector"))
    for name, old, new in zip(("cloud", "connector"), before, after):
        expect(new - old < 32 * 1024 * world.sanitizer_factor, f"{name} grew by {new - old} KiB")


def case_endless_download(world):
    """an endless answer flows for as long as the client reads; memory stays bounded"""
    before = (world.memory("cloud"), world.memory("connector"))
    with pieces.Backend(world) as b:
        b.endless = True
        with socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=30) as s:
            s.sendall(world.raw("GET", "/any", host=b.virtual))
            got = 0
            while got < 100 << 20:
                piece = s.recv(1 << 18)
                expect(piece, "the answer ended")
                got += len(piece)
        wait_for(lambda: b.broken, "the back end hearing that the client left")
    after = (world.memory("cloud"), world.memory("connector"))
    for name, old, new in zip(("cloud", "connector"), before, after):
        expect(new - old < 32 * 1024 * world.sanitizer_factor, f"{name} grew by {new - old} KiB")


def case_not_for_http2(world):
    """what HTTP/2 cannot carry, or nobody should, is refused with 400 or 431 and a text"""
    good = world.url("/public/hello.txt")
    auth = f"Host: {world.virtual}\r\nProxy-Authorization: Bearer {world.token()}\r\n"
    big = "".join(f"X-{i}: {'b' * 7000}\r\n" for i in range(12))
    for name, head in {
        "a path with raw bytes": f"GET {world.url('/public/h')}\xe4llo HTTP/1.1\r\n{auth}",
        "a fragment": f"GET {good}#top HTTP/1.1\r\n{auth}",
        "a strange method": f"G@T {good} HTTP/1.1\r\n{auth}",
        "a header that is too large": f"GET {good} HTTP/1.1\r\n{auth}{big}",
        "a field name that is none": f"GET {good} HTTP/1.1\r\n{auth}X(Y): 1\r\n",
        "a field value with a control byte": f"GET {good} HTTP/1.1\r\n{auth}X-Y: a\x01b\r\n",
        "a field that begins with a colon": f"GET {good} HTTP/1.1\r\n{auth}:path: /x\r\n",
    }.items():
        seen = raw_exchange(world.ports.proxy, head.encode("latin-1") + b"Connection: close\r\n\r\n", 30)
        status = int(seen.split(b" ", 2)[1]) if seen else 0
        expect(status in (400, 431), f"{name}: saw {seen[:200]!r}")
        expect(len(seen.split(b"\r\n\r\n", 1)[1]) > 20, f"{name}: no text in {seen[:200]!r}")
    equal(world.client().get(good).status, 200, "an honest request after these")


def case_thousand_at_once(world):
    """a thousand requests at the same time are all answered"""
    count = 1000
    with pieces.Backend(world) as b:
        b.gate = threading.Event()
        request = world.raw("GET", "/any", host=b.virtual, close=True)
        clients = []
        try:
            for _ in range(count):
                clients.append(socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=60))
            for s in clients:
                s.sendall(request)
            try:
                # All of them stand in the back end, or wait for a connection to it, before one leaves.
                wait_for(lambda: b.connections >= count * 9 // 10, "the requests arriving", 20)
            finally:
                b.gate.set()
            for i, s in enumerate(clients):
                seen = b""
                while piece := s.recv(65536):
                    seen += piece
                expect(seen.startswith(b"HTTP/1.1 200"), f"request {i}: saw {seen[:200]!r}")
        finally:
            for s in clients:
                s.close()


def hasty(world):
    """From here on the connector has no patience with back ends: so late because whoever waits for others has none."""
    world.options = {"connector": ["--backend-answer-timeout", "2s"]}
    if world.connector.command != world.first.command():
        world.connector.stop()
        world.connector.command = world.first.command()
        world.start_connector()
        wait_for(world.first.connected, "the tunnel", 60)


def case_backend_hangs(world):
    """a back end that takes a request and says nothing gives 504 that names it and the limit"""
    hasty(world)
    with pieces.Backend(world) as b:
        b.answer, b.keep = b"", True
        c = world.client()
        answer = c.get(f"http://{b.virtual}/any")
        equal(answer.status, 504, f"saw {answer}")
        expect(b.virtual in answer.text and "2 s" in answer.text, f"not named: {answer}")
    equal(c.get(world.url("/public/hello.txt")).status, 200, "the next request of that client")


def case_backend_hangs_in_body(world):
    """a back end that falls silent in mid-body breaks the client's answer"""
    hasty(world)
    with pieces.Backend(world) as b:
        b.answer, b.keep = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", True
        with socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=60) as s:
            s.sendall(world.raw("GET", "/any", host=b.virtual))
            seen = b""
            with contextlib.suppress(ConnectionError):  # one that stays open is a time-out
                while piece := s.recv(65536):
                    seen += piece
        expect(seen.endswith(b"half"), f"saw {seen!r}")


def case_nothing_secret_in_logs(world):
    """no token, password or key is in a log, whatever was refused"""
    secrets = [world.token(), world.cloud_password, world.connector_password, world.owner_password,
               world.key["clientsecret"], "TlRMTVNTUAABAAAA", "BEGIN PRIVATE KEY"]
    for program in world.programs:
        if program.name in ("cloud", "connector"):
            text = program.log(1000000)
            expect(text, f"{program.name} has logged nothing: {os.listdir(world.folder)}")
            for secret in secrets:
                if secret in text:
                    raise Failure(f"{program.name} logs {secret[:6]}…")
