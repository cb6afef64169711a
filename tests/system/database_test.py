"""A PostgreSQL server that is away: at the start, and while the programs run."""
import signal

from stage import Rest, equal, expect, wait_for
from world import CLOUD

DATABASES = ("postgresql",)


def get(world, path):
    return Rest(world.ports.console, world.console.user, world.console.password).call("GET", path)


def case_lost_and_back(world):
    """without its database the cloud side serves requests over open tunnels, answers 503 with the reason otherwise, and recovers"""
    client = world.client()
    equal(client.get(world.url("/public/hello.txt")).status, 200, "a request before")
    world.postgres.stop(signal.SIGINT)
    for path in (f"{CLOUD}/subaccounts", "/readyz"):
        answer = get(world, path)
        equal(answer.status, 503, f"{path} without a database: {answer}")
        expect("database" in answer.text, f"no reason: {answer}")
    equal(get(world, "/healthz").status, 200, "the process lives")
    for _ in range(20):
        equal(client.get(world.url("/public/hello.txt")).status, 200, "a request over an open tunnel")
    equal(world.state(), "Connected", "the tunnel")
    equal(world.token_answer().status, 503, "a token without a database")
    world.postgres.start()
    wait_for(lambda: get(world, "/readyz").status == 200, "readiness again")
    equal(get(world, f"{CLOUD}/subaccounts").status, 200, "the console again")
    equal(world.token_answer().status, 200, "a token again")
    expect(world.cloud.running(), "the cloud side ended")
    serial = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/certificates").json()
    expect(serial["items"], "no certificates")


def case_away_at_start(world):
    """a cloud side that starts without its database says so, tries again, and serves when it is there"""
    equal(world.cloud.stop(), 0, "exit status")
    world.postgres.stop(signal.SIGINT)
    mark = len(world.cloud.log(100000))
    world.cloud.start()
    wait_for(lambda: "cannot be reached" in world.cloud.log(100000)[mark:], "a word about the database")
    expect(world.cloud.running(), "the program gave up")
    world.postgres.start()
    wait_for(lambda: get(world, "/readyz").status == 200, "readiness", 60)
    wait_for(lambda: world.state() == "Connected", "the tunnel", 60)
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request")


def case_ended_meanwhile(world):
    """a cloud side that waits for its database ends at SIGTERM with status 0"""
    equal(world.cloud.stop(), 0, "exit status")
    world.postgres.stop(signal.SIGINT)
    mark = len(world.cloud.log(100000))
    world.cloud.start()
    # Between two tries there is only the monitor, which has said so: a server that just says its word ends with 1.
    # The pauses double from a quarter of a second on; the fifth is long enough to hit.
    said = "a process ended unasked, it is started again process=server"
    wait_for(lambda: world.cloud.log(100000)[mark:].count(said) >= 5, "the pause before the next try", 60)
    equal(world.cloud.stop(), 0, "exit status")
    world.postgres.start()
    world.start_cloud()
    wait_for(lambda: world.state() == "Connected", "the tunnel", 60)
