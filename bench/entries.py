"""What a keystore of many entries costs over its REST API: one client, one kept TLS connection, from the first byte of
the request to the last of the answer, so HTTP, TLS and this client are in every figure.
"""
import base64
import http.client
import json
import os
import ssl
import statistics
import subprocess
import time

import inbound_test as inbound
from servers import Postgres
from stage import Failure, free_ports
from tenant import OWN, Tenant, b64, hexed
from world import ADMIN, CLOUD, World

HERE = os.path.dirname(os.path.abspath(__file__))
FILE_ENTRIES = 1000
TARGET_SIZE = 10000
PASSWORD = "pass-Word-1"
BYTES_MAX = 64 << 20  # for which DESIGN.md gives the targets
TIMEOUT = 60  # of one call, in seconds: a limit, nothing comes near

# measure: (what it is, target in ms at TARGET_SIZE)
MEASURES = {
    "nothing": ("a small answer: what HTTP, TLS and the session take", None),
    "page": ("counts of states and 100 entries, two calls", 10),
    "list": ("all as JSON, our API, pages of 1,000", 50),
    "list_odata": ("all as JSON, the original's API, pages of 1,000", None),
    "back_up": ("back up", 5),
    "preview": ("preview of a restore of half, with a row for each entry", 100),
    "restore_half": ("restore of half", 300),
    "import_1000": ("import of a PKCS#12 of 1,000 certificates into an empty keystore", None),
    "import_last": ("the same, as the last 1,000 of that size", None),
}


class Kept:
    """One connection that stays, with a session; every call must succeed."""

    def __init__(self, world, subaccount):
        self.tenant = Tenant(world, ADMIN, world.cloud_password, subaccount=subaccount)
        if self.tenant.fetch() is None:
            raise Failure("no session")
        pair = base64.b64encode(f"{ADMIN}:{world.cloud_password}".encode()).decode()
        self.fields = {**self.tenant.fields(self.tenant.session), "Authorization": "Basic " + pair}
        self.connection = http.client.HTTPSConnection("localhost", world.ports.console, timeout=TIMEOUT,
                                                      context=ssl._create_unverified_context())
        self.own, self.service = f"{OWN}/{subaccount}/keystore", self.tenant.service

    def call(self, method, path, body=None):
        """(ms, the answer's bytes)"""
        fields = {**self.fields, "Content-Type": "application/json"} if body is not None else self.fields
        data = None if body is None else json.dumps(body).encode()
        start = time.monotonic()
        self.connection.request(method, path, data, fields)
        answer = self.connection.getresponse()
        got = answer.read()
        ms = (time.monotonic() - start) * 1000
        if answer.status not in (200, 201, 204) or answer.will_close:
            raise Failure(f"{method} {path}: {answer.status} {got[:500]}")
        return ms, got

    def json(self, method, path, body=None):
        ms, got = self.call(method, path, body)
        return ms, json.loads(got)

    def close(self):
        self.connection.close()


# ---- filling ----

class Files:
    """PKCS#12 files of certificates that no two share."""

    def __init__(self, world):
        self.folder, self.binary = world.sub("files"), os.path.join(world.folder, "certificates")
        subprocess.run(["cc", "-O2", "-o", self.binary, os.path.join(HERE, "certificates.c"), "-lcrypto"], check=True)

    def get(self, first, count):
        path = os.path.join(self.folder, f"{first}-{count}.p12")
        if not os.path.exists(path):
            subprocess.run([self.binary, str(first), str(count), PASSWORD, path], check=True)
        with open(path, "rb") as f:
            return {"Name": "system", "Resource": b64(f.read()), "Password": PASSWORD}


def aliases(first, last, step=1):
    return [f"entry {i:05}" for i in range(first, last + 1, step)]


def add(kept, body):
    path = kept.service + "/KeystoreResources?importOption=merge&returnKeystoreEntries=false"
    return kept.call("POST", path, body)[0]


def delete(kept, names):
    kept.call("PUT", kept.service + "/KeystoreResources('system')?deleteEntries=true&returnKeystoreEntries=false",
              {"Aliases": ";".join(names)})


def fill(kept, files, size):
    """Returns how long the last file took."""
    ms = 0
    for first in range(1, size + 1, FILE_ENTRIES):
        ms = add(kept, files.get(first, min(FILE_ENTRIES, size + 1 - first)))
    seen = kept.json("GET", kept.own)[1]["entries"]
    if seen != size:
        raise Failure(f"{seen} entries after filling it with {size}")
    return ms


# ---- what is timed ----

def page(kept, size):
    first, _ = kept.call("GET", kept.own)
    second, got = kept.json("GET", kept.own + "/entries?limit=100")
    if len(got["items"]) != min(100, size):
        raise Failure(f"a page of {len(got['items'])} entries")
    return first + second


def walk(kept, size, first, rows_of, next_of):
    total, seen, path = 0, 0, first
    while path:
        ms, got = kept.json("GET", path)
        total, seen, path = total + ms, seen + len(rows_of(got)), next_of(got)
    if seen != size:
        raise Failure(f"a list of {seen} entries, not {size}")
    return total


def list_own(kept, size):
    base = kept.own + "/entries?limit=1000"
    return walk(kept, size, base, lambda got: got["items"],
                lambda got: f"{base}&after={got['next'].replace(' ', '%20')}" if got["next"] else None)


def list_odata(kept, size):
    def following(got):
        url = got["d"].get("__next")
        return url and url[url.index(kept.service):]
    return walk(kept, size, kept.service + "/KeystoreEntries?keystoreName=system", lambda got: got["d"]["results"],
                following)


def back_up(kept, turn):
    """After a change, so that there is a new state to pin."""
    kept.call("PUT", f"{kept.own}/entries/{hexed('entry 00001')}", {"trustedForInbound": turn % 2 == 0})
    return kept.call("POST", kept.own + "/backups", {"note": "bench"})[0]


def restore_half(kept, size):
    """(preview, restore) of the backup that stands, after every second entry was deleted."""
    delete(kept, aliases(2, size, 2))
    preview, got = kept.json("GET", kept.own + "/preview")
    new = sum(1 for row in got["items"] if row["status"] == "new")
    if new != size // 2:
        raise Failure(f"a preview with {new} new entries")
    ms, _ = kept.call("PUT", kept.service + "/KeystoreResources('system')?retrieveBackup=backup_admin_system"
                      "&importOption=replace&returnKeystoreEntries=false", {"Resource": None})
    if kept.json("GET", kept.own)[1]["entries"] != size:
        raise Failure("the restore did not bring all back")
    return preview, ms


def time_all(kept, size, rounds):
    few, times = range(rounds), {}
    many = range(4 * rounds)
    times["nothing"] = [kept.call("GET", kept.service + "/")[0] for _ in many]
    times["page"] = [page(kept, size) for _ in many]
    times["list"] = [list_own(kept, size) for _ in few]
    times["list_odata"] = [list_odata(kept, size) for _ in few]
    times["back_up"] = [back_up(kept, i) for i in many]
    halves = [restore_half(kept, size) for _ in few]
    times["preview"], times["restore_half"] = [x[0] for x in halves], [x[1] for x in halves]
    return times


def time_import(kept, files, rounds):
    times = []
    for _ in range(rounds):
        times.append(add(kept, files.get(1, FILE_ENTRIES)))
        delete(kept, aliases(1, FILE_ENTRIES))
    return times


# ---- the run ----

def new_subaccount(world, name):
    made = world.console.must("POST", f"{CLOUD}/subaccounts", {"displayName": name, "owner": world.owner}).json()["id"]
    inbound.may_edit(world, made)
    return Kept(world, made)


def stage(world):
    if world.database == "postgresql":
        world.postgres = Postgres(world.sub("postgres"), free_ports(1)[0])
        world.postgres.command += ["-c", "fsync=on"]  # the tests' servers do without
        world.started(world.postgres)
    world.start_cloud()
    world.first_start_of_cloud()
    world.create_owner_and_subaccount()


def show(database, size, times):
    rows = []
    for name, took in times.items():
        what, target = MEASURES[name]
        median = statistics.median(took)
        verdict = ""
        if target is not None and size == TARGET_SIZE:
            verdict = f", target {target} ms: " + ("met" if median <= target else "missed")
        print(f"{database:10} {size:6} {name:12} median {median:8.2f} ms, fastest {min(took):8.2f}, of {len(took):2}"
              f"{verdict}  ({what})", flush=True)
        rows.append({"measure": f"{name}_ms", "database": database, "entries": size, "median": median,
                     "fastest": min(took), "ratio": median / target if target and size == TARGET_SIZE else None})
    return rows


def measure(build, database, sizes, rounds):
    options = {"cloud": ["--keystore-bytes-max", str(BYTES_MAX), "--keystore-entries-max", str(max(TARGET_SIZE, *sizes))]}
    world = World(build, database=database, options=options)
    rows = []
    try:
        stage(world)
        files = Files(world)
        kept = new_subaccount(world, "empty")
        rows += show(database, 0, {"import_1000": time_import(kept, files, rounds)})
        kept.close()
        for size in sizes:
            kept = new_subaccount(world, f"size {size}")
            last = fill(kept, files, size)
            times = time_all(kept, size, rounds)
            if size >= 2 * FILE_ENTRIES:
                times["import_last"] = [last]
            rows += show(database, size, times)
            kept.close()
    finally:
        world.close()
    return rows
