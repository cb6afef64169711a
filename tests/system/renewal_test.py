"""The life of a subaccount certificate: renewed by itself, left to expire, revoked, superseded, copied,
forbidden to renew; each state is named, and a refresh mends it. Certificates live for seconds here.
"""
import contextlib
import os
import shutil
import sqlite3
import subprocess
import time

from pieces import LiveSettings
from stage import equal, expect, free_ports, wait_for
from steady import Steady
from world import Installation

DATABASES = ("sqlite", "postgresql")
OWN = "/api/drawbridge/v1/subaccounts"
CLOUD = "/api/drawbridge/v1"


def settings(world, validity="365d", **more):
    world.live.set(certificate_validity=validity, **more)


def scene(world):
    world.live = LiveSettings(world)
    world.bring_up()


def own(world, installation=None):
    admin = (installation or world.first).admin
    return admin.must("GET", f"{OWN}/{world.region}/{world.subaccount}").json()


def renewal(world):
    return own(world)["renewal"]


def switch(world, on):
    world.admin.must("PUT", f"{OWN}/{world.region}/{world.subaccount}/renewal", {"enabled": on})


def allow(world, on):
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}", {"renewalAllowed": on})


def refresh(world, installation=None):
    one = installation or world.first
    answer = one.admin.must("POST", one.path("/validity"),
                            {"user": world.owner, "password": world.owner_password}, wanted=(200,))
    return answer.json()["tunnel"]["subaccountCertificate"]["serialNumber"]


def serial(world):
    return own(world)["certificate"]["serialNumber"]


def settled(world, installation=None):
    """Connected, with a certificate that the cloud side confirmed."""
    def check():
        seen = own(world, installation)
        return seen["state"] == "Connected" and seen["certificateConfirmed"]
    wait_for(check, "the tunnel with the new certificate")


def state_is(world, state, part, installation=None):
    """The certificate's state, and a part of its reason."""
    def check():
        seen = own(world, installation)
        return (seen["certificate"]["state"] == state and part in seen["certificate"]["reason"]) or None
    wait_for(check, f"the state {state} with \"{part}\" ({own(world, installation)})", 40)
    return own(world, installation)


def redial(world):
    """Closes the tunnels from this side and dials anew."""
    world.admin.must("PUT", world.subaccount_path("/state"), {"connected": False})
    wait_for(lambda: own(world)["state"] == "Disconnected", "the tunnel going down")
    world.admin.must("PUT", world.subaccount_path("/state"), {"connected": True})


def audit_has(world, what, part=""):
    return any(row["what"] == what and part in str(row) for row in
               world.console.must("GET", f"{CLOUD}/audit?limit=200").json()["items"])


def case_renewal_is_on_and_planned(world):
    """renewal is on by default and planned at two thirds of the certificate's life"""
    seen = own(world)
    equal(seen["certificate"]["state"], "valid", "the certificate's state")
    equal((seen["renewal"]["enabled"], seen["renewal"]["state"]), (True, "planned"), "the plan")
    day = time.mktime(time.strptime(seen["renewal"]["next"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    expect(238 < day / 86400 < 244, f"planned in {day / 86400:.1f} days")
    shown = world.first.tunnel()
    expect(shown["state"] == "Connected" and shown["subaccountCertificate"]["serialNumber"], str(shown))


def case_certificates_of_seconds_renew_themselves(world):
    """certificates that live for 6 seconds are renewed by themselves while requests flow; none fails"""
    settings(world, "6s", certificate_grace="1s")
    serials = {refresh(world)}
    load = Steady(world, connections=16)
    end = time.monotonic() + 14
    while time.monotonic() < end:
        serials.add(serial(world))
        time.sleep(0.3)
    load.stop()
    equal(load.reasons, {}, f"failed requests beside {load.ok}")
    expect(load.ok > 100, f"only {load.ok} requests")
    expect(4 <= len(serials) <= 6, f"{len(serials)} certificates in 14 s of 6 s each")
    seen = renewal(world)
    equal((seen["lastResult"], seen["failures"]), ("renewed", 0), "the last result")
    expect(audit_has(world, "certificate.issue", "renewal"), "the cloud side's audit names no renewal")


def case_forbidden_then_allowed(world):
    """a renewal that the cloud side forbids is shown with the reason, and goes on when it is allowed"""
    settings(world, "9s")
    allow(world, False)
    refresh(world)
    wait_for(lambda: renewal(world)["state"] == "refused", "the refusal", 40)
    seen = renewal(world)
    equal(seen["lastResult"], "refused", "the last result")
    expect("switched off" in seen["lastError"] and seen["next"], str(seen))
    before = serial(world)
    allow(world, True)
    wait_for(lambda: serial(world) != before, "the renewal", 40)
    equal(renewal(world)["lastError"], "", "the last error")
    wait_for(lambda: any("switched off" in str(row) for row in denied(world)), "the denied attempt's audit row")


def denied(world):
    """Rows of the cloud side's chain of denied attempts; they are written once a second."""
    if world.postgres:
        return subprocess.run([os.path.join(world.postgres.bin, "psql"), world.postgres.url, "-At", "-c",
                               "SELECT what, became FROM denied"], check=True, capture_output=True,
                              text=True).stdout.splitlines()
    with contextlib.closing(sqlite3.connect(world.state_file("cloud"))) as db:
        return db.execute("SELECT what, became FROM denied").fetchall()


def case_left_to_expire(world):
    """left to expire: the tunnel stays, the state is told, a new dial gets 401, a refresh mends it"""
    switch(world, False)
    equal(renewal(world)["state"], "off", "the plan")
    settings(world, "5s")
    refresh(world)
    settled(world)
    seen = state_is(world, "expired", "expired on")
    equal(seen["state"], "Connected", "the tunnel after its certificate's end")
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request after it")
    redial(world)
    wait_for(lambda: own(world)["lastRefusal"] == 401, "the refusal")
    seen = state_is(world, "expired", "expired on")
    equal(world.state(), "ConnectFailure", "the tunnel's state")
    expect("refresh" in seen["reason"], seen["reason"])
    settings(world)
    refresh(world)
    settled(world)
    equal(own(world)["certificate"]["state"], "valid", "after the refresh")
    switch(world, True)


def case_expired_comes_back_by_itself(world):
    """an expired one that may renew itself comes back without anybody"""
    switch(world, False)
    settings(world, "5s")
    refresh(world)
    settled(world)
    state_is(world, "expired", "expired on")
    redial(world)
    wait_for(lambda: own(world)["lastRefusal"] == 401, "the refusal")
    settings(world)
    switch(world, True)
    settled(world)
    equal(own(world)["certificate"]["state"], "valid", "after its own renewal")


def case_tunnels_drain_at_expiry(world):
    """with certificate.expired.tunnels = drain the tunnel goes with its certificate"""
    switch(world, False)
    settings(world, "5s", certificate_expired_tunnels="drain")
    refresh(world)
    settled(world)
    wait_for(lambda: world.state() == "ConnectFailure", "the drain", 40)
    state_is(world, "expired", "expired on")
    settings(world)
    refresh(world)
    settled(world)
    switch(world, True)


def case_revoked(world):
    """revoked: cut, told with the date, and a refresh mends it"""
    world.revoke(serial(world))
    wait_for(lambda: own(world)["lastRefusal"] == 403, "the refusal")
    state_is(world, "revoked", "revoked on")
    equal(world.state(), "ConnectFailure", "the tunnel's state")
    refresh(world)
    settled(world)


def copy_of(world, name):
    """Another machine with a copy of this one's state, taken now."""
    twin = Installation(world, name + os.urandom(3).hex(), free_ports(1)[0])
    twin.admin.password = twin.password = world.first.password
    shutil.rmtree(twin.state_dir)
    shutil.copytree(world.first.state_dir, twin.state_dir)
    shutil.copytree(world.sub(world.first.name + "-key"), world.sub(twin.name + "-key"), dirs_exist_ok=True)
    return twin


def case_older_copy(world):
    """an older copy of the machine is told that it was superseded, by which serial, and what to do"""
    switch(world, False)
    settings(world, certificate_grace="1s")
    world.first.program.stop()
    twin = copy_of(world, "older")
    world.first.start()
    settled(world)
    newer = refresh(world)
    settled(world)
    time.sleep(1.5)
    twin.start()
    seen = state_is(world, "superseded", newer, twin)
    expect("older copy" in seen["certificate"]["reason"], str(seen))
    equal(world.state(), "Connected", "the machine that was refreshed")
    twin.end()
    switch(world, True)


def case_clone(world):
    """two copies of one machine do not fight for ever: one is told 409, and a refresh decides"""
    settings(world, certificate_grace="1s")
    world.first.program.stop()
    twin = copy_of(world, "clone")
    world.first.start()
    settled(world)
    twin.start()

    def refused():
        rows = [(one, own(world, one)) for one in (world.first, twin)]
        out = [one for one, seen in rows if seen["lastRefusal"] == 409 and "copy of the other" in seen["reason"]]
        up = [one for one, seen in rows if seen["state"] == "Connected"]
        return out if len(out) == 1 and len(up) == 1 else None
    loser = wait_for(refused, "one of the copies being refused", 60)[0]
    winner = twin if loser is world.first else world.first
    refresh(world, loser)
    settled(world, loser)
    wait_for(lambda: own(world, winner)["lastRefusal"] in (403, 409), "the other one being locked out", 60)
    for one in (loser, winner):
        if one is twin:
            one.end()
    wait_for(lambda: own(world)["state"] == "Connected" or refresh(world), "the first machine", 60)


def case_last_result_survives(world):
    """the last result is there after a restart"""
    before = renewal(world)
    expect(before["lastTry"], str(before))
    world.first.program.stop()
    world.first.start()
    settled(world)
    wait_for(lambda: renewal(world)["state"] == "planned", "the plan")
    after = renewal(world)
    equal((after["lastTry"], after["lastResult"]), (before["lastTry"], before["lastResult"]), "the last try")


def case_by_hand_without_a_password(world):
    """an administrator renews at once with the current certificate, over REST"""
    before = serial(world)
    world.admin.must("POST", f"{OWN}/{world.region}/{world.subaccount}/renewal")
    expect(serial(world) != before, "the same certificate")
    settled(world)
