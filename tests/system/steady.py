"""Constant load for tests that must not lose one request: many kept connections in one thread, slow
downloads and slow uploads beside them. Each counts what it saw; nothing is tried again.
"""
import asyncio
import hashlib
import threading

from stage import expect


class Steady:
    """`connections` send small GETs without a pause until stop(); `ok`, `failed`, `reasons` count."""

    def __init__(self, world, path="/public/small.bin", connections=64):
        self.world, self.path, self.connections = world, path, connections
        self.ok, self.failed, self.reasons, self.closed = 0, 0, {}, 0
        self.token = world.token()
        self.stopping = False
        self.slow = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.all())

    async def all(self):
        await asyncio.gather(*[self.small() for _ in range(self.connections)])
        await asyncio.gather(*self.slow)

    def head(self, method, path, more=""):
        return (f"{method} {self.world.url(path)} HTTP/1.1\r\nHost: {self.world.virtual}\r\n"
                f"Proxy-Authorization: Bearer {self.token}\r\n{more}\r\n").encode()

    def note(self, reason):
        self.failed += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.world.ports.proxy, limit=1 << 18)

    @staticmethod
    async def answer_head(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        fields = dict((k.lower(), v.strip()) for k, _, v in
                      (line.partition(":") for line in head.split("\r\n")[1:] if line))
        return status, fields

    async def small(self):
        writer, closes = None, True
        request = self.head("GET", self.path)
        while not self.stopping:
            try:
                if closes:
                    reader, writer = await self.connect()
                writer.write(request)
                status, fields = await asyncio.wait_for(self.answer_head(reader), 60)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                if status == 200:
                    self.ok += 1
                else:
                    self.note(f"{status} {body[:160]!r}")
                closes = fields.get("connection", "").lower() == "close"
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as failure:
                self.note(f"{type(failure).__name__}: {failure}")
                closes = True
                await asyncio.sleep(0.05)
            if closes and writer is not None and not self.stopping:
                self.closed += 1
                writer.close()
        if writer is not None:
            writer.close()

    # ---- long ones ----

    def begin(self, coroutine):
        """From any thread: runs beside the load; done.result() when the load has stopped."""
        done = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        self.slow.append(asyncio.wrap_future(done, loop=self.loop))
        return done

    async def slow_download(self, path, bytes_per_second, size, until):
        """Reads a big file slowly while `until` is not set, then as fast as it comes; its SHA-256."""
        reader, writer = await self.connect()
        writer.write(self.head("GET", path, "Connection: close\r\n"))
        status, fields = await self.answer_head(reader)
        expect(status == 200, f"a download began with {status}")
        digest, left = hashlib.sha256(), int(fields["content-length"])
        expect(left == size, f"a download of {left} bytes, not {size}")
        while left > 0:
            piece = await reader.read(min(left, 1 << 16))
            expect(piece, f"a download was cut with {left} bytes to come")
            digest.update(piece)
            left -= len(piece)
            if not until.is_set():
                await asyncio.sleep(len(piece) / bytes_per_second)
        writer.close()
        return digest.hexdigest()

    async def slow_upload(self, path, size, pieces_of, until):
        """Sends a body of `size` bytes slowly, then fast; the digest of what was sent."""
        reader, writer = await self.connect()
        writer.write(self.head("PUT", path, f"Content-Length: {size}\r\nConnection: close\r\n"))
        digest, left, n = hashlib.sha256(), size, 0
        while left > 0:
            piece = (hashlib.sha256(str(n).encode()).digest() * (pieces_of // 32 + 1))[:min(left, pieces_of)]
            n += 1
            digest.update(piece)
            writer.write(piece)
            await writer.drain()
            left -= len(piece)
            if not until.is_set() and left > 0:
                await asyncio.sleep(0.05)
        status, _ = await asyncio.wait_for(self.answer_head(reader), 60)
        expect(status in (201, 204), f"an upload ended with {status}")
        writer.close()
        return digest.hexdigest()

    def stop(self):
        self.stopping = True
        self.thread.join(120)
        expect(not self.thread.is_alive(), "the load did not end")
        return self
