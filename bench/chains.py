"""The two chains that bench/run compares, each from a client's port to the same nginx, and the CPU time
that processes have used.
"""
import contextlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "system"))

from stage import Failure, Program, free_ports, wait_for  # noqa: E402
from world import World  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SMALL, BIG = "/public/small.bin", "/public/big.bin"


def fill(name, folder, **words):
    """A configuration of this folder with its {words} filled in."""
    with open(os.path.join(HERE, name)) as f:
        text = f.read().format(folder=folder, **words)
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def cpu_seconds(pids):
    """User and system time of these processes, their threads included."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


class Backend(Program):
    """nginx, one worker: 1 KiB, and a big file of zeros that takes no room on the disk."""

    def __init__(self, folder, port, big_mib=512):
        www = os.path.join(folder, "www", "public")
        os.makedirs(www, exist_ok=True)
        with open(os.path.join(www, "small.bin"), "wb") as f:
            f.write(b"x" * 1024)
        with open(os.path.join(www, "big.bin"), "wb") as f:
            f.truncate(big_mib << 20)
        self.port = port
        conf = fill("nginx.conf", folder, port=port, user="user root;" if os.getuid() == 0 else "")
        super().__init__("nginx", ["/usr/sbin/nginx", "-p", folder, "-c", conf], folder)

    def start(self):
        super().start()
        wait_for(lambda: answers(self.port), "nginx answering")
        return self


def answers(port):
    return subprocess.run(["curl", "-s", "-o", os.devnull, "-m", "2", f"http://127.0.0.1:{port}{SMALL}"],
                          check=False).returncode == 0


class Haproxy:
    """Two HAProxy, one thread each: HTTP/1.1 -> HTTP/2 under mutual TLS 1.3 -> HTTP/1.1."""
    name = "haproxy"

    def __init__(self, folder, backend):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.backend = folder, backend
        self.near, self.far = free_ports(2)
        self.programs = []

    def certificates(self):
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

        def key(name):
            return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key"]

        openssl("req", "-x509", *key("ca"), "-out", "ca.pem", "-days", "2", "-subj", "/CN=bench ca",
                "-addext", "basicConstraints=critical,CA:TRUE")
        with open(os.path.join(self.folder, "names"), "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name in ("near", "far"):
            openssl("req", *key(name), "-out", name + ".csr", "-subj", "/CN=localhost")
            openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                    "-CAcreateserial", "-days", "2", "-out", name + ".crt", "-extfile", "names")
            with open(os.path.join(self.folder, name + ".pem"), "w") as out:
                for end in (".crt", ".key"):
                    with open(os.path.join(self.folder, name + end)) as f:
                        out.write(f.read())

    def start(self):
        self.certificates()
        for name in ("far", "near"):
            conf = fill(f"haproxy-{name}.cfg", self.folder, near=self.near, far=self.far,
                        backend=self.backend.port)
            self.programs.append(Program("haproxy-" + name, ["/usr/sbin/haproxy", "-db", "-f", conf],
                                         self.folder).start())
        wait_for(lambda: answers(self.near), "the HAProxy chain answering")

    def pids(self):
        return [pid for program in self.programs for pid in program.family()]

    def wrk(self):
        return f"http://127.0.0.1:{self.near}{SMALL}", {}

    def curl(self):
        return [f"http://127.0.0.1:{self.near}{BIG}"]

    def close(self):
        for program in self.programs:
            program.stop(seconds=5)


class BenchWorld(World):
    """As the system tests set it up, with the benchmark's back end."""

    def __init__(self, build, folder, backend):
        super().__init__(build, folder, workers=1)
        self.ports.backend = backend.port

    def start_backend(self):
        """It runs already, for both chains."""


class Drawbridge:
    """drawbridge-cloud and drawbridge-connector, one worker each, set up through their REST APIs."""
    name = "drawbridge"

    def __init__(self, folder, backend, build):
        self.world = BenchWorld(build, folder, backend)

    def start(self):
        self.world.bring_up()
        wait_for(self.answers, "the Drawbridge chain answering")

    def answers(self):
        return self.world.client().get(self.world.url(SMALL)).status == 200

    def pids(self):
        return [pid for program in self.world.programs for pid in program.family()]

    def wrk(self):
        return f"http://127.0.0.1:{self.world.ports.proxy}/", {
            "BENCH_URL": self.world.url(SMALL), "BENCH_HOST": self.world.virtual,
            "BENCH_TOKEN": self.world.token()}

    def curl(self):
        return ["-x", f"http://127.0.0.1:{self.world.ports.proxy}", "--proxy-header",
                "Proxy-Authorization: Bearer " + self.world.token(), self.world.url(BIG)]

    def close(self):
        problems = self.world.close()
        if problems:
            raise Failure("\n".join(problems))
