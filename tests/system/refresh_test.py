"""Refreshing the subaccount certificate by hand, again and again under load: not one request is lost."""
import os
import threading
import time

from pieces import LiveSettings
from stage import equal, expect, wait_for
from steady import Steady

REFRESHES = 20
DOWNLOAD_MB = 24
UPLOAD_BYTES = 24 << 20


def scene(world):
    world.workers = 2
    world.live = LiveSettings(world)
    world.bring_up()


def own(world):
    """What the connector's own API says of the subaccount."""
    return world.admin.must("GET", "/api/drawbridge/v1/subaccounts/"
                            f"{world.region}/{world.subaccount}").json()


def certificates(world):
    return {row["serialNumber"]: row for row in world.console.must(
        "GET", f"/api/drawbridge/v1/subaccounts/{world.subaccount}/certificates").json()["items"]}


def refresh(world, by_data):
    body = ({"authenticationData": world.authentication_data()} if by_data else
            {"user": world.owner, "password": world.owner_password})
    before = world.certificate()["serialNumber"]
    answer = world.admin.must("POST", world.subaccount_path("/validity"), body, wanted=(200,)).json()
    shown = answer["tunnel"]["subaccountCertificate"]
    expect(shown["serialNumber"] != before, "the answer shows the old certificate")
    serial = shown["serialNumber"]
    wait_for(lambda: own(world)["certificateConfirmed"] and
             own(world)["certificate"]["serialNumber"] == serial, "the new certificate's tunnels")
    return serial


def access_log(world):
    """Status of each request that reached the back end, by path."""
    rows = []
    with open(os.path.join(world.folder, "nginx", "access.log")) as f:
        for line in f:
            request, rest = line.split('"')[1], line.split('"')[2]
            rows.append((request.split(" ")[1], int(rest.split()[0])))
    return rows


def case_twenty_refreshes_under_load(world):
    """20 refreshes in a row under 64 connections, long downloads and uploads open: no request fails"""
    digest = world.backend.make_big("public/big.bin", DOWNLOAD_MB)
    size = os.path.getsize(os.path.join(world.backend.root, "public", "big.bin"))
    seen_before = len(access_log(world))
    until = threading.Event()
    first = world.certificate()["serialNumber"]
    load = Steady(world)
    downloads = [load.begin(load.slow_download("/public/big.bin", 200_000, size, until)) for _ in range(4)]
    uploads = [load.begin(load.slow_upload(f"/upload/slow{i}.bin", UPLOAD_BYTES, 20_000, until))
               for i in range(4)]
    wait_for(lambda: load.ok > 200, "the load")
    start = time.monotonic()
    serials = [refresh(world, by_data=i % 2 == 1) for i in range(REFRESHES)]
    took = time.monotonic() - start
    equal(len(set(serials)), REFRESHES, "different serials")
    so_far = load.ok
    wait_for(lambda: load.ok > so_far + 200, "the load after the last refresh")
    until.set()
    load.stop()
    equal(load.reasons, {}, f"failed requests beside {load.ok} good ones in {took:.0f} s")
    for done in downloads:
        equal(done.result(60), digest, "a download's digest")
    for i, done in enumerate(uploads):
        equal(done.result(60), world.backend.digest(f"upload/slow{i}.bin"), "an upload's digest")
    wait_for(lambda: len(access_log(world)) - seen_before >= load.ok + 8, "nginx writing its log")
    rows = access_log(world)[seen_before:]
    bad = [row for row in rows if row[1] not in (200, 201, 204)]
    equal(bad, [], "requests that the back end saw fail")
    equal(len([row for row in rows if row[0] == "/public/small.bin"]), load.ok,
          "small requests at the back end")
    print(f"# {load.ok} requests, {REFRESHES} refreshes in {took:.1f} s, {load.closed} connections closed",
          flush=True)
    known = certificates(world)
    expect(first in known and serials[-1] in known, "the directory does not know them")
    equal(known[serials[-1]]["state"], "active", "the newest certificate")
    for serial in [first, *serials[:-1]]:
        expect(known[serial]["supersededBy"], f"{serial} is not superseded")


def case_refreshes_after_expiry(world):
    """refreshed after its end, by password and by authentication data, under load: no request fails"""
    path = f"/api/drawbridge/v1/subaccounts/{world.region}/{world.subaccount}"
    world.admin.must("PUT", path + "/renewal", {"enabled": False})
    world.live.set(certificate_validity="10s")  # in which a tunnel opens with it, also on a slow machine
    refresh(world, by_data=True)
    load = Steady(world)
    for by_data in (False, True):
        wait_for(lambda: own(world)["certificate"]["state"] == "expired", "the certificate's end")
        refresh(world, by_data)
    wait_for(lambda: own(world)["certificate"]["state"] == "expired", "the certificate's end")
    serial = own(world)["certificate"]["serialNumber"]
    wait_for(lambda: certificates(world)[serial]["state"] == "expired", "the cloud side's list telling it")
    world.live.set()
    refresh(world, by_data=False)
    load.stop()
    equal(load.reasons, {}, f"failed requests beside {load.ok} good ones")
    equal(own(world)["certificate"]["state"], "valid", "the certificate's state")
    world.admin.must("PUT", path + "/renewal", {"enabled": True})
