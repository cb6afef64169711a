"""What breaks, and what must not be lost: processes killed under load, restarts in order, keyd."""
import os
import signal

from stage import Load, ProxyClient, equal, expect, wait_for

DATABASES = ("sqlite", "postgresql")


def load(world, threads=8):
    token = world.token()
    running = Load(lambda: ProxyClient(world.ports.proxy, token), world.url("/public/hello.txt"), threads)
    wait_for(lambda: running.ok > 50, "the load getting going")
    return running


def serves(world):
    return ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status == 200


def case_connector_killed(world):
    """a connector killed with -9 under load: requests in flight get 502 or 503 with the reason, and it is back after its start"""
    running = load(world)
    world.connector.kill_all()
    wait_for(lambda: running.failed > 0, "the loss being seen")
    world.start_connector()
    wait_for(lambda: serves(world), "requests served again")
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
    world.start_cloud()
    wait_for(lambda: serves(world), "requests served again")
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
            for pid in getattr(world, name).named("drawbridge-keyd"):
                os.kill(pid, signal.SIGKILL)
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
