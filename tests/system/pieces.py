"""Small helpers of single tests: a back end whose every byte the test decides, forged tokens."""
import base64
import json
import os
import signal
import socket
import struct
import threading

from stage import wait_for


class LiveSettings:
    """Settings of the cloud side that change while it runs; made before it starts."""

    def __init__(self, world, **values):
        self.world, self.path = world, os.path.join(world.folder, "cloud.conf")
        self.write(values)
        world.options["cloud"] = ["--config-file", self.path]

    def write(self, values):
        with open(self.path, "w") as f:
            f.write("".join(f"{key.replace('_', '.')} = {value}\n" for key, value in values.items()))

    def set(self, **values):
        """These; all others are the defaults again."""
        self.write(values)
        program, awaited = self.world.cloud, "settings were read again"
        before = program.log(100000).count(awaited)
        os.kill(program.pid, signal.SIGHUP)
        wait_for(lambda: program.log(100000).count(awaited) > before, f"\"{awaited}\" in the log", 20)


class Backend:
    """A raw internal server, mapped as a system of its own: answers each request with `answer`, then
    closes (by reset if asked), or streams without end, or reads nothing (deaf), or waits for a gate
    before it answers. Keeps the request heads, and which connection carried each."""

    def __init__(self, world, mapped=True):
        self.world, self.mapped = world, mapped
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.endless = self.reset = self.broken = self.keep = False
        self.deaf, self.gate = False, None
        self.heads, self.carriers, self.open = [], [], []
        self.connections = 0

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.socket.getsockname()[1]
        self.virtual = f"raw{self.port}.virtual:80"
        if self.mapped:
            self.world.map(self.virtual, f"127.0.0.1:{self.port}", "/")
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.close()
        for connection in self.open:
            connection.close()
        if self.mapped:
            self.world.unmap(self.virtual)

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            if self.deaf:
                self.open.append(connection)
                continue
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def read_head(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        return data

    def serve(self, connection):
        with connection:
            while True:
                try:
                    head = self.read_head(connection)
                except OSError:
                    return
                if head is None:
                    return
                self.heads.append(head)
                self.carriers.append(connection.getpeername())
                if self.gate:
                    self.gate.wait(60)
                if self.endless:
                    self.stream(connection)
                    return
                connection.sendall(self.answer)
                if not self.keep:
                    break
            if self.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def stream(self, connection):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"400\r\n" + b"e" * 1024 + b"\r\n")
        except OSError:
            self.broken = True


def unsigned_token(world):
    """The claims of a good token under alg none."""
    claims = world.token().split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=")
    return head.decode() + "." + claims + "."
