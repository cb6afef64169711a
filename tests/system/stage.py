"""The stage for system tests, the demo and the benchmark: starts the real programs, each in a folder of
its own on loopback, talks to their REST APIs, and takes everything down by process id.

Only the standard library. Nothing here knows what a test wants to show.
"""
import base64
import contextlib
import http.client
import json
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failure(Exception):
    """A step that did not hold; the text says what was seen."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def equal(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what}: saw {seen!r}, wanted {wanted!r}")


def wait_for(check, what, seconds=30.0, pause=0.05):
    """Waits until check() is true; a generous bound that only a hang reaches."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (OSError, Failure, http.client.HTTPException) as reason:
            last = reason
        time.sleep(pause)
    raise Failure(f"{what} did not happen within {seconds:.0f} s (last: {last!r})")


def only_on(database):
    """A case that has something to say on that database alone."""
    def mark(case):
        case.only_on = database
        return case
    return mark


GIVEN = set()
SHARE = []  # the ports of this run, and the socket whose name keeps them


def share_of_ports():
    """A part of the ports below the ephemeral range that no other run on this machine draws from, as long as this
    one lives: the name of a socket is taken for it. With more runs than parts, all of them.
    """
    parts = [range(first, first + 2500) for first in range(11000, 31000, 2500)]
    for part in random.sample(parts, len(parts)):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0drawbridge-test-ports-{part.start}")
        except OSError:
            name.close()
            continue
        return part, name
    return range(11000, 31000), None


def free_ports(n):
    """n ports that were free a moment ago, below the ephemeral range so that no client takes them, and none
    that was given before: who got it may not listen yet, or not any more and again later.
    """
    if not SHARE:
        SHARE.extend(share_of_ports())
    found, tried = [], 0
    while len(found) < n and tried < 20000:
        tried += 1
        port = random.choice(SHARE[0])
        if port in GIVEN:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN.add(port)
        found.append(port)
    expect(len(found) == n, f"no {n} free ports in {SHARE[0]}")
    return found


class Program:
    """A process that we started, its log, and its end."""

    def __init__(self, name, command, folder, env=None, preexec=None):
        self.name, self.command, self.folder = name, command, folder
        self.env = dict(os.environ, **(env or {}))
        self.log_path = os.path.join(folder, name + ".log")
        self.preexec = preexec
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.folder, env=self.env,
                                            start_new_session=True, preexec_fn=self.preexec)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def family(self):
        """This process and its descendants, parents first."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    with open(f"/proc/{entry}/stat") as f:
                        fields = f.read().rsplit(")", 1)[1].split()
                    children.setdefault(int(fields[1]), []).append(int(entry))
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop(0)
            found.append(pid)
            todo += children.get(pid, [])
        return found

    def named(self, text):
        """Descendants whose command line contains the text."""
        out = []
        for pid in self.family():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if text.encode() in f.read():
                        out.append(pid)
        return out

    def kill_named(self, text):
        """kill -9 of what named() finds; the end of one may be the end of another."""
        for pid in self.named(text):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, how=signal.SIGTERM, seconds=60):  # drain.timeout is half of it
        if not self.running():
            return self.process.returncode if self.process else None
        family = self.family()
        self.process.send_signal(how)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in family[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return self.process.returncode

    def kill_all(self):
        """kill -9 of the whole family at once: a machine that loses its power."""
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def log(self, lines=40):
        with contextlib.suppress(OSError):
            with open(self.log_path, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        return ""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.text[:300]!r}"


class Rest:
    """Calls of one REST API with Basic authentication."""

    def __init__(self, port, user=None, password=None, ca=None, host="localhost"):
        self.port, self.user, self.password, self.host = port, user, password, host
        self.context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()

    def call(self, method, path, body=None, headers=None, timeout=60):
        fields = {"Connection": "close"}
        if self.user is not None:
            pair = f"{self.user}:{self.password}".encode()
            fields["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        data = body
        if body is not None and not isinstance(body, (bytes, str)):
            data = json.dumps(body)
            fields["Content-Type"] = "application/json"
        fields.update(headers or {})
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context,
                                                 timeout=timeout)
        try:
            connection.request(method, path, body=data, headers=fields)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def must(self, method, path, body=None, wanted=(200, 201, 202, 204), **more):
        answer = self.call(method, path, body, **more)
        if answer.status not in wanted:
            raise Failure(f"{method} {path}: {answer}")
        return answer


class ProxyClient:
    """An application: requests through the relay's HTTP proxy, over one kept connection."""

    def __init__(self, port, token, location=None, timeout=60):
        self.port, self.token, self.location, self.timeout = port, token, location, timeout
        self.connection = None

    def fields(self, more=None):
        fields = {"Proxy-Authorization": "Bearer " + self.token} if self.token else {}
        if self.location is not None:
            fields["SAP-Connectivity-SCC-Location_ID"] = self.location
        fields.update(more or {})
        return fields

    def call(self, method, url, body=None, headers=None):
        if self.connection is not None and self.was_closed():
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self.connection.request(method, url, body=body, headers=self.fields(headers))
            answer = self.connection.getresponse()
            result = Answer(answer.status, answer.headers, answer.read())
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return result

    def get(self, url, headers=None):
        return self.call("GET", url, headers=headers)

    def was_closed(self):
        """Whether the proxy ended the kept connection, as it may between two requests (RFC 9112, 9.3)."""
        sock, ready = self.connection.sock, select.poll()
        if sock is None:
            return False
        ready.register(sock, select.POLLIN)
        return bool(ready.poll(0)) and sock.recv(1, socket.MSG_PEEK) == b""

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def raw_exchange(port, data, seconds=60.0, close_write=False, tls=None):
    """Sends bytes as they are and returns all that comes back until the peer closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as plain:
        s = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        s.sendall(data)
        if close_write:
            s.shutdown(socket.SHUT_WR)
        out = b""
        s.settimeout(seconds)
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                out += piece
        return out


class Load:
    """Threads that send small requests without a pause until stop(); counts what each saw."""

    def __init__(self, make_client, url, threads=8, method="GET"):
        self.ok, self.failed, self.reasons = 0, 0, {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(make_client, url, method), daemon=True)
                        for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self, make_client, url, method):
        client = make_client()
        while not self.stopping.is_set():
            reason = None
            try:
                answer = client.call(method, url)
                if answer.status != 200:
                    reason = f"{answer.status} {answer.text[:120]}"
            except (OSError, http.client.HTTPException) as failure:
                reason = f"{type(failure).__name__}: {failure}"
                time.sleep(0.02)
            with self.lock:
                if reason is None:
                    self.ok += 1
                else:
                    self.failed += 1
                    self.reasons[reason] = self.reasons.get(reason, 0) + 1
        client.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(90)
        return self
