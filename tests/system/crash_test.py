"""kill -9 of connector and cloud side while a certificate is enrolled, refreshed or renewed: at each named point
(src: CRASH_POINT), and at random times. Afterwards each starts again, connects with the old or the new
certificate and finishes.

DRAWBRIDGE_KILLS=200 says how many random kills there are (a few otherwise).
"""
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

from crash import arm, attempt, died, hits, lives, points_in_source
from stage import Failure, equal, expect, wait_for
from world import CLOUD

DATABASES = ("sqlite", "postgresql")
KILLS = int(os.environ.get("DRAWBRIDGE_KILLS", "10"))

CONNECTOR = ["connector.key.made", "connector.key.stored", "connector.certificate.arrived",
             "connector.certificate.stored", "connector.tunnel.opened", "connector.certificate.confirmed"]
CLOUD_SIDE = ["cloud.enrolment.proven", "cloud.certificate.signed", "cloud.certificate.recorded",
              "cloud.tunnel.admitted", "cloud.certificate.confirmed"]
KEYD = ["keyd.serial.listed"]  # the cloud side's key process
POINTS = {"enrol": CONNECTOR + ["connector.subaccount.stored"] + CLOUD_SIDE + KEYD,
          "refresh": CONNECTOR + ["connector.subaccount.changed"] + CLOUD_SIDE + KEYD,
          "renew": CONNECTOR + ["connector.subaccount.changed"] + CLOUD_SIDE + KEYD}


def both_up(world):
    """The monitors start again what died; a killed monitor is started by us."""
    if not world.cloud.running():
        world.start_cloud()
    if not world.connector.running():
        world.start_connector()
    wait_for(lambda: world.console.call("GET", "/readyz").status == 200, "the cloud side", 60)
    world.first.wait_up()


def enrol(world):
    return world.first.add_subaccount(user=world.owner, password=world.owner_password)


def refresh(world):
    return world.admin.call("POST", world.subaccount_path("/validity"),
                            {"user": world.owner, "password": world.owner_password})


def renew(world):
    return world.admin.call("POST", f"{CLOUD}/subaccounts/{world.region}/{world.subaccount}/renewal", {})


def own(world):
    return world.admin.must("GET", f"{CLOUD}/subaccounts/{world.region}/{world.subaccount}").json()


def enrolled(world):
    return world.admin.call("GET", world.subaccount_path()).status == 200


def finish(world):
    """What an administrator does after the crash, if anything; then all must be well."""
    both_up(world)
    if not enrolled(world):
        wait_for(lambda: enrol(world).status in (201, 409) and enrolled(world), "the enrolment after the crash", 90)
    wait_for(lambda: world.first.connected() and own(world)["certificateConfirmed"], "the tunnel after the crash", 90)
    wait_for(lambda: attempt(lambda: world.client().get(world.url("/public/hello.txt")).status) in (200, 403),
             "requests after the crash", 60)


def rows_of(world):
    """State of each certificate row of the connector: 0 key, 1 unconfirmed, 2 active, 3 old."""
    with contextlib.closing(sqlite3.connect(f"file:{world.state_file('connector')}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("select state from state_certificate where subaccount = ?",
                                             (world.subaccount,))]


def check(world, what):
    """No key without its certificate, one active certificate on both sides, which is the same."""
    serial = world.certificate()["serialNumber"]

    def settled():
        listed = [row for row in world.console.must(
            "GET", f"{CLOUD}/subaccounts/{world.subaccount}/certificates").json()["items"]
            if row["state"] == "active" and not row["supersededBy"]]
        return [row["serialNumber"] for row in listed] == [serial]
    wait_for(settled, f"{what}: exactly one active certificate, {serial}", 60)
    states = rows_of(world)
    equal(states.count(2), 1, f"{what}: active certificates of the connector {states}")
    expect(1 not in states, f"{what}: an unconfirmed certificate is left: {states}")
    return states


def crash_at(world, operation, point):
    before = hits(world, point)
    if operation == "enrol":
        world.admin.must("DELETE", world.subaccount_path(), wanted=(200, 204, 404))
    arm(world, point)
    attempt(lambda: {"enrol": enrol, "refresh": refresh, "renew": renew}[operation](world))
    wait_for(lambda: died(world, point, before), f"{operation} coming to {point}", 60)
    finish(world)
    if operation != "enrol":  # a key that waits is used by the next try
        answer = wait_for(lambda: attempt(lambda: refresh(world)), "a refresh", 60)
        equal(answer.status, 200, f"refresh after {point}: {answer}")
        finish(world)
    states = check(world, f"{operation}, {point}")
    expect(0 not in states, f"{operation}, {point}: a key without its certificate is left: {states}")


def case_named_points(world):
    """killed at each named point of enrolment, refresh and renewal, both sides come back and finish"""
    every = {point for points in POINTS.values() for point in points}
    equal(points_in_source(r"connector|cloud|keyd\.serial"), every, "named points of the source")
    for operation, points in POINTS.items():
        for point in points:
            crash_at(world, operation, point)
    hit = {point: hits(world, point) for point in sorted(every)}
    expect(all(hit.values()), f"not hit: {hit}")
    print("# hit: " + ", ".join(f"{point} {n}" for point, n in hit.items()), flush=True)


def victims(world):
    """Every process of both programs, by what it is."""
    found = {}
    for program in (world.cloud, world.connector):
        if program.running():
            family = program.family()
            keyd = program.named("drawbridge-keyd")
            found.setdefault(program.name + " monitor", []).append(family[0])
            found.setdefault(program.name + " keyd", []).extend(keyd[:1])
            found.setdefault(program.name + " server", []).extend(
                [pid for pid in family[1:] if pid not in keyd][:1])
    return {name: pids[0] for name, pids in found.items() if pids}


def case_random_kills(world):
    """killed at random times of refreshes and renewals, nothing is lost and the next one succeeds"""
    seed = random.randrange(1 << 32)
    chance, killed = random.Random(seed), {}
    print(f"# seed {seed}", flush=True)
    for i in range(KILLS):
        operation = chance.choice([refresh, renew])
        doing = threading.Thread(target=attempt, args=(lambda op=operation: op(world),))
        doing.start()
        time.sleep(chance.random() * 0.35 * world.sanitizer_factor)
        name, pid = chance.choice(sorted(victims(world).items()))
        family = (world.cloud if name.startswith("cloud") else world.connector).family()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        killed[name] = killed.get(name, 0) + 1
        if name.endswith("monitor"):  # its children end by themselves; who starts it again waits for them
            (world.cloud if name.startswith("cloud") else world.connector).process.wait()
            wait_for(lambda gone=family: not any(lives(p) for p in gone), "the orphans' end", 20)
        doing.join(120)
        try:
            finish(world)
            check(world, f"kill {i} of {name} (seed {seed})")
        except Failure as reason:
            raise Failure(f"kill {i} of {name}, seed {seed}: {reason}") from reason
    answer = refresh(world)
    equal(answer.status, 200, f"the last refresh: {answer}")
    finish(world)
    expect(0 not in check(world, "at the end"), "a key without its certificate is left")
    print("# killed: " + ", ".join(f"{name} {n}" for name, n in sorted(killed.items())), flush=True)
