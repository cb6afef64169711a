"""States of the subaccount certificate: expired, revoked, superseded, copied; each is named, and a refresh
mends it.
"""
import time

from life import copy_of, own, redial, refresh, renewal, serial, settings, settled, short_lived, state_is
from life import switch, use_live_settings
from stage import equal, expect, wait_for

scene = use_live_settings


def case_left_to_expire(world):
    """left to expire: the tunnel stays, the state is told, a new dial gets 401, a refresh mends it"""
    switch(world, False)
    equal(renewal(world)["state"], "off", "the plan")
    short_lived(world, "5s")
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
    short_lived(world, "5s")
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
    short_lived(world, "5s", certificate_expired_tunnels="drain")
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
    time.sleep(2.5)  # both sides count whole seconds
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
