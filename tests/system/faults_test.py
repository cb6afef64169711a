"""What breaks, and what must not be lost: processes killed under load, restarts in order, keyd."""
import hashlib
import os
import signal
import socket
import threading
import time

from stage import Load, ProxyClient, equal, expect, wait_for

DATABASES = ("sqlite", "postgresql")


def load(world, threads=8):
    token = world.token()
    running = Load(lambda: ProxyClient(world.ports.proxy, token), world.url("/public/hello.txt"), threads)
    wait_for(lambda: running.ok > 50, "the load getting going")
    return running


def serves(world):
    return ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status == 200


def back_within(world, start, what):
    """Starts it; requests must be served again within two seconds of that (sanitized programs: more)."""
    begun = time.monotonic()
    start()
    wait_for(lambda: serves(world), "requests served again")
    seconds = time.monotonic() - begun
    limit = 2.0 if world.sanitizer_factor == 1 else 30.0
    expect(seconds < limit, f"{what} was back at work {seconds:.1f} s after its start, not within {limit} s")


def case_cloud_restarted(world):
    """a cloud side restarted in order under load loses no request, and ends well within a second"""
    running = load(world)
    begun = time.monotonic()
    equal(world.cloud.stop(), 0, "its exit status")
    seconds = time.monotonic() - begun
    expect(seconds < (1.0 if world.sanitizer_factor == 1 else 30.0), f"it took {seconds:.1f} s to end")
    back_within(world, world.start_cloud, "the cloud side")
    running.stop()
    for reason in running.reasons:
        expect(reason.startswith(("503", "ConnectionRefused")), f"lost requests: {running.reasons}")


def case_long_request_survives(world):
    """a download that runs when connector or cloud side are told to end comes to its end first"""
    wanted = world.backend.make_big("public/drain.bin", 30)
    for name, start in (("connector", world.start_connector), ("cloud", world.start_cloud)):
        with socket.create_connection(("127.0.0.1", world.ports.proxy), timeout=60) as s:
            s.sendall(world.raw("GET", "/public/drain.bin"))
            seen = s.recv(1 << 16)
            ending = threading.Thread(target=getattr(world, name).stop)
            ending.start()
            digest, size = hashlib.sha256(), None
            head, _, body = seen.partition(b"\r\n\r\n")
            expect(head.startswith(b"HTTP/1.1 200"), f"saw {head!r}")
            size = len(body)
            digest.update(body)
            while size < 30 << 20:
                time.sleep(0.001)  # a client of moderate speed
                piece = s.recv(1 << 17)
                expect(piece, f"{name}: the answer broke off after {size} bytes")
                size += len(piece)
                digest.update(piece)
            equal(digest.hexdigest(), wanted, f"checksum while the {name} ended")
        ending.join(60)
        start()
        wait_for(lambda: serves(world), "requests served again")


def case_connector_killed(world):
    """a connector killed with -9 under load: requests in flight get 502 or 503 with the reason, and it is back after its start"""
    running = load(world)
    world.connector.kill_all()
    wait_for(lambda: running.failed > 0, "the loss being seen")
    back_within(world, world.start_connector, "the connector")
    running.stop()
    for reason in running.reasons:
        expect(reason.startswith(("502", "503")), f"a failure without a reason: {running.reasons}")


def case_connector_server_killed(world):
    """the connector's server process killed with -9 is started again by its monitor"""
    before = world.server_pid("connector")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: world.server_pid("connector") not in (None, before), "a new server process")
    wait_for(lambda: serves(world), "requests served again")


def case_cloud_killed(world):
    """a cloud side killed with -9 under load: connections break, and all is at work again after its start"""
    running = load(world)
    world.cloud.kill_all()
    wait_for(lambda: running.failed > 0, "the loss being seen")
    back_within(world, world.start_cloud, "the cloud side")
    running.stop()
    expect(running.ok > 0, "nothing was served")


def case_cloud_server_killed(world):
    """the cloud's server process killed with -9 is started again by its monitor"""
    before = world.server_pid("cloud")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: world.server_pid("cloud") not in (None, before), "a new server process")
    wait_for(lambda: serves(world), "requests served again")


def case_connector_restarted(world):
    """a connector restarted in order under load loses no request but those that find no connector"""
    running = load(world)
    world.connector.stop()
    world.start_connector()
    wait_for(lambda: serves(world), "requests served again")
    running.stop()
    for reason in running.reasons:
        expect(reason.startswith("503"), f"a request in flight was lost: {running.reasons}")


def case_keyd_killed(world):
    """keyd killed with -9 twenty times while connectors reconnect and tokens are issued: no call fails"""
    for i in range(20):
        for name in ("cloud", "connector"):
            getattr(world, name).kill_named("drawbridge-keyd")
        equal(world.token_answer().status, 200, f"token after kill {i}")
        if i % 5 == 0:
            world.disconnect()
            world.connect()
    wait_for(lambda: serves(world), "requests served")


def case_state_survives(world):
    """subaccounts, mappings and the wish to be connected survive a restart of both"""
    before = world.admin.must("GET", world.subaccount_path("/systemMappings")).json()
    world.connector.stop()
    world.cloud.stop()
    world.start_cloud()
    world.start_connector()
    wait_for(lambda: serves(world), "requests served again")
    equal(world.admin.must("GET", world.subaccount_path("/systemMappings")).json(), before, "mappings")


def case_exit_codes(world):
    """SIGTERM ends both daemons with status 0, and their state opens again"""
    equal(world.connector.stop(), 0, "the connector's exit status")
    equal(world.cloud.stop(), 0, "the cloud's exit status")
    world.start_cloud()
    world.start_connector()
    wait_for(lambda: serves(world), "requests served again")
