"""What goes wrong in the life of a subaccount certificate: an answer that is lost on the way, clocks that are wrong, a
disk that is full or read-only, something else that answers in the cloud side's place. Each time a clear state with the
next step, nothing lost, and a refresh afterwards works.
"""
import contextlib
import os
import select
import socket
import struct
import subprocess
import threading

from disk_test import full
from doctor_test import Impostor
from keystore_faults_test import plain_disk
from life import own, refresh, serial, settled, switch
from servers import self_signed
from stage import equal, expect, free_ports, wait_for
from world import CLOUD, Installation, is_sanitized

HOUR, YEAR = 3600, 365 * 86400
REQUEST_BYTES = 500  # of TLS application data: more than the end of a handshake, less than a CSR


class Wire:
    """The network between connector and cloud side: passes on, leads elsewhere, or cuts when an answer comes."""

    def __init__(self, target):
        self.target, self.cuts, self.open = target, 0, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                client.close()
                continue
            self.open += [client, server]
            threading.Thread(target=self.carry, args=(client, server), daemon=True).start()

    def carry(self, client, server):
        asked, may_cut = 0, self.cuts > 0  # never a tunnel that stands
        with contextlib.suppress(OSError, ValueError), client, server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    piece = ready.recv(65536)
                    if not piece:
                        return
                    if ready is client:
                        asked += application_data(piece)
                    elif may_cut and self.cuts > 0 and asked > REQUEST_BYTES:
                        self.cuts -= 1
                        return  # the answer is here, and goes no further
                    (server if ready is client else client).sendall(piece)

    def lead(self, target):
        """New connections go there; those that stand are cut."""
        self.target = target
        for s in self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        self.open = []


def application_data(piece):
    """Bytes in TLS records of that kind; small writes are not split over pieces on loopback."""
    found = 0
    while len(piece) >= 5:
        kind, _, length = struct.unpack(">BHH", piece[:5])
        found += length if kind == 23 else 0
        piece = piece[5 + length:]
    return found


def scene(world):
    world.wire = Wire(world.ports.tunnel)
    world.region = f"localhost:{world.wire.port}"
    world.at_close.append(world.wire.socket.close)
    path = world.sub("connector")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
    world.at_close.append(lambda: os.path.ismount(path) and subprocess.run(["umount", "-l", path], check=True))
    world.bring_up()
    switch(world, False)  # no renewal beside what is tried here


def certificates(world):
    return world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/certificates").json()["items"]


def states(world):
    out = {}
    for row in certificates(world):
        out.setdefault(row["state"], []).append(row["serialNumber"])
    return out


def try_refresh(world):
    return world.admin.call("POST", world.subaccount_path("/validity"),
                            {"user": world.owner, "password": world.owner_password})


def said(answer, *words):
    expect(400 <= answer.status < 600, f"saw {answer}")
    for word in words:
        expect(word in answer.text, f"no word of \"{word}\": {answer}")


def refresh_works(world):
    """The end of every case: refreshed, connected, exactly one that may dial but for the grace of older ones."""
    before = serial(world)
    expect(refresh(world) != before, "the same certificate")
    settled(world)
    equal(own(world)["certificate"]["state"], "valid", "the certificate")
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request")


# ---- an answer that is lost ----

def case_enrolment_answer_lost(world):
    """the answer of a first enrolment is lost: the same authentication data works again, and one certificate is active"""
    other = Installation(world, "connector-lost", free_ports(1)[0], "lost")
    other.start()
    other.first_start()
    data = world.authentication_data()
    before, world.wire.cuts = len(certificates(world)), 1
    answer = other.add_subaccount(data=data)
    equal(world.wire.cuts, 0, f"the answer was not cut: {answer}")
    said(answer, "localhost")
    equal(len(certificates(world)), before + 1, "the cloud side issued it")
    answer = other.add_subaccount(data=data)
    equal(answer.status, 201, f"the second try: {answer}")
    wait_for(other.connected, "the tunnel", 60)
    wait_for(lambda: own(world, other)["certificateConfirmed"], "the confirmation")
    mine = own(world, other)["certificate"]["serialNumber"]
    expect(mine in states(world)["active"], f"{mine} of {states(world)}")
    other.admin.must("DELETE", other.path())
    other.end()


def case_refresh_answer_lost(world):
    """the answer of a refresh is lost: told so, the tunnel stays, and the next refresh uses the same new key"""
    for by_hand in (True, False):
        before, since = serial(world), world.first.tunnel()["connectedSinceTimeStamp"]
        world.wire.cuts = 1
        answer = (try_refresh(world) if by_hand else world.admin.call(
            "POST", f"/api/drawbridge/v1/subaccounts/{world.region}/{world.subaccount}/renewal"))
        equal(world.wire.cuts, 0, f"the answer was not cut: {answer}")
        said(answer, "localhost")
        equal(serial(world), before, "the certificate meanwhile")
        equal(world.first.tunnel()["connectedSinceTimeStamp"], since, "the tunnel meanwhile")
        expect(states(world).get("unconfirmed"), f"none is unconfirmed: {states(world)}")
        refresh_works(world)


# ---- clocks ----

class Clock:
    """The wrong clock of one of the daemons, its key process included."""

    def __init__(self, world, name):
        self.path = os.path.join(world.folder, name + ".skew")
        self.set(0)
        library = os.path.join(world.folder, "skew.so")
        if not os.path.exists(library):
            here = os.path.dirname(os.path.abspath(__file__))
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(here, "skew.c"), "-ldl"],
                           check=True)
        if is_sanitized(world.build):  # whose own library must come first
            asan = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True,
                                  check=True).stdout.strip()
            library = os.path.realpath(asan) + " " + library
        program = getattr(world, name)
        program.stop()
        program.env.update(LD_PRELOAD=library, SKEW_FILE=self.path)
        # The key process gets an environment of its own.
        keyd = os.path.join(world.folder, name + "-drawbridge-keyd")
        with open(keyd, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\nexport LD_PRELOAD='{library}' SKEW_FILE={self.path}\n"
                    f"exec {world.binary('drawbridge-keyd')} \"$@\"\n")
        os.chmod(keyd, 0o755)
        program.command = [*program.command, "--keyd-path", keyd]
        getattr(world, "start_" + name)()

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("=q", seconds))


def reconnect(world):
    """Both tunnels' ends are cut: the connector dials anew."""
    world.wire.lead(world.ports.tunnel)


def judged(world, seconds, word):
    """What is shown once a dial with this clock came to an end."""
    seen = own(world)
    up = seen["state"] == "Connected" and abs(seen["clockSkewSeconds"] - seconds) < 60
    down = seen["state"] == "ConnectFailure" and "clock" in seen["reason"] and word in seen["reason"]
    return seen if up or down else None


def case_connector_clock(world):
    """a connector whose clock is wrong by hours or years connects or says so, is told by how much, and can be refreshed"""
    clock = Clock(world, "connector")
    wait_for(world.first.connected, "the tunnel", 60)
    for seconds in (3 * HOUR, -3 * HOUR, 3 * YEAR, -3 * YEAR):
        way = f"{seconds} s {'before' if seconds > 0 else 'behind'}: a word"
        clock.set(seconds)
        reconnect(world)
        seen = wait_for(lambda: judged(world, seconds, "expired" if seconds > 0 else "not yet valid"), way, 60)
        print(f"# {seconds} s: {seen['state']}, {seen['reason']!r}, {seen['clockSkewSeconds']} s", flush=True)
        if seen["state"] == "Connected":
            refresh_works(world)
        else:  # the server's certificate is not valid by this clock
            expect("clock" in seen["reason"], seen["reason"])
            said(try_refresh(world), "clock")
    clock.set(0)
    wait_for(world.first.connected, "the tunnel with the right clock", 60)
    refresh_works(world)


def case_cloud_clock(world):
    """a cloud side whose clock is wrong by hours or years: the reason is told, and with the right clock all comes back"""
    clock = Clock(world, "cloud")
    wait_for(world.first.connected, "the tunnel", 60)
    for seconds in (3 * HOUR, -3 * HOUR, 3 * YEAR, -3 * YEAR):
        before = serial(world)
        world.cloud.stop()
        clock.set(seconds)
        world.start_cloud()
        seen = wait_for(lambda: judged(world, -seconds, ""), f"{seconds} s: a word", 90)
        print(f"# {seconds} s: {seen['state']}, {seen['reason']!r}, {seen['clockSkewSeconds']} s, "
              f"{seen['certificate']['state']} {seen['certificate']['reason']!r}", flush=True)
        equal(serial(world), before, "the certificate")
        world.cloud.stop()
        clock.set(0)
        world.start_cloud()
        wait_for(lambda: judged(world, 0, "never") or own(world)["reason"], f"{seconds} s and back: the tunnel", 90)
        print(f"# back from {seconds} s: {own(world)['state']}, {own(world)['reason']!r}", flush=True)
        wait_for(world.first.connected, f"after {seconds}: the tunnel", 90)
        refresh_works(world)


# ---- the connector's disk ----

def keeps(world, words):
    """A refresh that cannot be stored: the reason, the old certificate, the tunnel, requests."""
    before = serial(world)
    for _ in range(3):
        answer = try_refresh(world)
        if answer.status >= 400:
            break
        before = answer.json()["tunnel"]["subaccountCertificate"]["serialNumber"]  # there was room in the log
    said(answer, *words)
    seen = own(world)
    equal((seen["certificate"]["serialNumber"], seen["state"]), (before, "Connected"), "the state")
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request")


def case_disk_full(world):
    """a refresh on a full disk says so and keeps the certificate and the tunnel; with room it works"""
    with full(world.sub("connector")):
        keeps(world, ("full", "room"))
    refresh_works(world)


def case_read_only(world):
    """a refresh with a read-only state says so and keeps the certificate and the tunnel; afterwards it works"""
    if not plain_disk(world, "connector"):
        print("# skipped: no file system here knows immutable files", flush=True)
        return
    wait_for(world.first.connected, "the tunnel", 60)
    files = [path for path in (world.state_file("connector") + end for end in ("", "-wal")) if os.path.exists(path)]
    folder = [world.sub("connector")]
    subprocess.run(["chattr", "+i", *files, *folder], check=True)
    try:
        keeps(world, ("cannot be written", "look at"))
    finally:
        subprocess.run(["chattr", "-i", *folder, *files], check=True)
    refresh_works(world)


# ---- something else in the cloud side's place ----

class Listener(Impostor):
    """An impostor that keeps what it was told, and answers what the test wants."""

    def __init__(self, answer, certificate=None):
        self.reply, self.heard = answer, []
        self.port = free_ports(1)[0]
        super().__init__(self.port, certificate)

    def answer(self, connection):
        with contextlib.suppress(OSError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.heard.append(connection.recv(65536))
            connection.sendall(self.reply)


def case_impostors(world):
    """garbage, plain HTTP or another CA's certificate: told, no password leaves, nothing changes, and all comes back"""
    other_ca = self_signed(world.sub("other-ca"), "localhost")
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    rows = [("garbage", Listener(b"\xff" * 4000), "speaks no TLS", "is that the tunnel port"),
            ("plain HTTP", Listener(page), "speaks no TLS", "is that the tunnel port"),
            ("silence that ends", Listener(b""), "broke off the TLS handshake", "is that the tunnel port"),
            ("another CA", Listener(page, other_ca), "self-signed", "is not trusted; nothing was sent")]
    for what, impostor, shown, word in rows:
        before = serial(world)
        world.wire.lead(impostor.port)
        wait_for(lambda: own(world)["state"] == "ConnectFailure" and shown in own(world)["reason"],
                 f"{what}: the state", 60)
        seen, answer = own(world), try_refresh(world)
        said(answer, word)
        expect(f"localhost:{world.wire.port}" in seen["reason"] or "certificate of" in seen["reason"], seen["reason"])
        secrets = [world.owner_password.encode(), b"Authorization"]
        for heard in impostor.heard:
            expect(not any(s in heard for s in secrets), f"{what}: it was told {heard!r}")
        equal(serial(world), before, f"{what}: the certificate")
        world.wire.lead(world.ports.tunnel)
        impostor.close()
        wait_for(world.first.connected, f"after {what}: the tunnel", 60)
    refresh_works(world)
