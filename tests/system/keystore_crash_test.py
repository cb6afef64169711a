"""kill -9 of server, key process, its children and monitor while a tenant's keystore is changed, backed up, restored and
sealed again: at each named point (src: CRASH_POINT), and at random times. Afterwards all starts again, the keystore is
the one before or the one after, every entry opens, and the audit's chain agrees with its anchor.

DRAWBRIDGE_KILLS=300 says how many random kills there are (a few otherwise).
"""
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

from crash import arm, attempt, died, hits, lives, points_in_source
from stage import Failure, equal, expect, wait_for
from tenant import Tenant, b64, hexed, make_certificate, make_pkcs12, openssl, scene as tenant_scene
from world import ADMIN, CLOUD, SANITIZER

DATABASES = ("sqlite", "postgresql")
KILLS = int(os.environ.get("DRAWBRIDGE_KILLS", "6"))

COMMIT = ["keystore.change.written", "keystore.change.authenticated", "store.change.recorded", "store.change.committed",
          "keystore.change.published"]
CONTENT = ["keystore.content.sealed", "keystore.content.stored"]
CHANGE = COMMIT + ["keystore.publish.loaded", "keyd.entry.authenticated"]
POINTS = {
    "add": ["keyd.entry.hired", "keyd.entry.staged", "keystore.pair.staged", "keyd.entry.sealed"] + CONTENT + CHANGE,
    "import": ["keyd.entry.hired", "keyd.entry.staged", "keystore.file.staged", "keyd.entry.sealed", "keyd.entry.bound"]
              + CONTENT + CHANGE,
    "back up": ["keystore.backup.pinned"] + COMMIT + ["keyd.anchor.signed", "keyd.anchor.written"],
    "restore": ["keystore.restore.closed"] + CHANGE,
    "undo": ["keystore.restore.closed"] + CHANGE,
    "first entry": ["keyd.entry.datakey", "keystore.datakey.made", "keystore.datakey.stored"],
    "rotate": ["monitor.next.started", "monitor.next.ready", "monitor.next.handed"],
    "reseal": ["keyd.entry.resealed", "keystore.reseal.resealed", "keystore.reseal.stored"],
    "new data keys": ["keyd.entry.datakey", "keystore.datakey.made", "keystore.datakey.stored", "keyd.entry.bound",
                      "keystore.reseal.moving", "keystore.reseal.moved"],
    "verify": ["keyd.entry.checked"],
}


# ---- the scene ----

def scene(world):
    tenant_scene(world)
    t = world.tenant = Tenant(world, ADMIN, world.cloud_password)
    folder = world.files = world.sub("files")
    world.root = make_certificate(folder, "root")
    make_certificate(folder, "single")
    world.single = make_pkcs12(folder, "single", "single-pass")
    box = folder + "/box.p12"
    for name in ("box-1", "box-2"):
        make_certificate(folder, name)
        with open(folder + "/part.p12", "wb") as f:
            f.write(make_pkcs12(folder, name, "box-pass"))
        done = subprocess.run(["keytool", "-importkeystore", "-noprompt", "-srckeystore", folder + "/part.p12",
                               "-srcstoretype", "PKCS12", "-srcstorepass", "box-pass", "-destkeystore", box,
                               "-deststoretype", "PKCS12", "-deststorepass", "box-pass"], capture_output=True, text=True)
        equal(done.returncode, 0, done.stdout + done.stderr)
    done = subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "box-ca", "-file", folder + "/root.pem",
                           "-keystore", box, "-storetype", "PKCS12", "-storepass", "box-pass"], capture_output=True,
                          text=True)
    equal(done.returncode, 0, done.stdout + done.stderr)
    with open(box, "rb") as f:
        world.box = f.read()
    world.number = 0
    equal(t.generate("own").status, 204, "a key pair")
    equal(t.put_certificate("trusted", world.root).status, 204, "a certificate")
    answer = t.own("POST", "/provider/entries", {"alias": "sap_root", "resource": b64(world.root)})
    equal(answer.status, 200, f"the provider's entry: {answer}")
    equal(t.back_up().status, 204, "a backup")


# ---- arming, and coming back ----

def come_back(world, family=()):
    """The monitor starts again what died; a dead monitor is started by us, when its children have followed it."""
    if not world.cloud.running():
        wait_for(lambda: not any(lives(pid) for pid in family), "the children of a killed monitor ending", 30)
        world.start_cloud()
    wait_for(lambda: world.console.call("GET", "/readyz").status == 200, "the cloud side", 60)
    world.tenant.session = None  # it may have gone with the server


# ---- what the keystore is ----

def state_of(world):
    """Its entries and those of the backup."""
    def seen(store):
        return frozenset((row["Alias"], row["FingerprintSha256"], row["Owner"], row["Type"])
                         for row in world.tenant.entries(store).values())
    return seen("system"), seen("backup_admin_system")


def aliases(rows):
    return sorted(row[0] for row in rows)


def verified(world, tenant=None):
    answer = (tenant or world.tenant).own("GET", "/verify")
    equal(answer.status, 200, f"verify: {answer}")
    return answer.json()


def database_of(world):
    return world.postgres.url if world.postgres else world.state_file("cloud")


def check_audit(world):
    done = subprocess.run([world.binary("drawbridge"), "audit", "verify", database_of(world), "--anchor",
                           os.path.join(world.folder, "cloud", "keyd", "anchor")], capture_output=True, text=True,
                          env=dict(os.environ, **SANITIZER))
    equal(done.returncode, 0, f"the audit: {done.stdout}{done.stderr}")


def check(world, allowed, what):
    """It is one of the allowed states, every entry opens, and the audit is whole; returns the state."""
    now = state_of(world)
    expect(now in allowed, f"{what}: saw {[aliases(s) for s in now]}, allowed are "
           f"{[[aliases(s) for s in one] for one in allowed]}")
    health = verified(world)
    equal((health["damaged"], health["checked"]), (0, len(now[0])), f"{what}: {health}")
    check_audit(world)
    return now


# ---- the operations: what they need, what they do, what is afterwards ----

def keyd(world, *words):
    done = subprocess.run([world.binary("drawbridge-keyd"), *words], capture_output=True, text=True,
                          env=dict(os.environ, **SANITIZER))
    equal(done.returncode, 0, f"{words}: {done.stderr}")


def master_file(world):
    return os.path.join(world.folder, "cloud-key", "master.key")


def adopted(world):
    return world.cloud.log(1000000).count("its first key seals from now on")


def rotate(world, wait=False):
    keyd(world, "--new-master-key", master_file(world))
    before = adopted(world)
    world.cloud.process.send_signal(signal.SIGHUP)
    if wait:
        wait_for(lambda: adopted(world) > before, "the new master key", 60)


def reseal(world, more=""):
    """The start's answer; or, when it is through, the last look at it. Started anew where a run was cut off."""
    begun = world.console.call("POST", f"{CLOUD}/master-key{more}")
    if begun.status != 202:
        return begun
    started, end = begun.json()["progress"]["started"], time.monotonic() + 60
    while time.monotonic() < end:
        look = world.console.call("GET", f"{CLOUD}/master-key")
        if look.status != 200 or not look.json()["running"]:
            last = look.json()["last"] if look.status == 200 else None
            if last and last["started"] == started and not last["error"]:
                return look
            raise ConnectionError(f"the run was cut off: {look}")
        time.sleep(0.02)
    raise Failure(f"the run does not end: {look}")


def settle_master(world):
    """After a rotation, broken off or not: all that is sealed comes under the first key."""
    def done():
        answer = attempt(lambda: reseal(world))
        return answer is not None and answer.status == 200 and answer.json()["done"]
    wait_for(done, "all being sealed again", 60)
    with open(master_file(world), encoding="ascii") as f:
        if len(f.read().split()) < 5:
            return
    drop_old_keys(world)


def drop_old_keys(world):
    """With them gone, nothing may be left that needs one."""
    world.cloud.stop()
    world.start_cloud()  # the running one may have read what was sealed with an old one
    settle = reseal(world)
    equal((settle.status, settle.json().get("done")), (200, True), f"sealed again: {settle}")
    world.cloud.stop()
    keyd(world, "--drop-old-master-keys", master_file(world))
    world.start_cloud()
    world.tenant.session = None


def to_base(world):
    if state_of(world)[0] != base_of(world):
        equal(world.tenant.restore("replace").status, 200, "back to the backup")


def base_of(world):
    system, backup = state_of(world)
    return backup | {row for row in system if row[2] == "SAP"}


def fingerprint(path):
    return openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]


def own_row(world, alias, name, kind):
    return (alias, fingerprint(f"{world.files}/{name}.pem"), "Tenant Administrator", kind)


class Add:
    def prepare(self, world):
        world.number += 1
        self.alias = f"pair-{world.number}"
        if world.number % 8 == 0:
            to_base(world)

    def after(self, world, before):
        return before[0] | {own_row(world, self.alias, "single", "Key Pair")}, before[1]

    def do(self, world):
        return world.tenant.write("POST", "/KeyPairResources?fingerprintVerified=true", {
            "Hexalias": "00", "Alias": self.alias, "Password": "single-pass", "Resource": b64(world.single)})


class Import:
    def prepare(self, world):
        to_base(world)

    def after(self, world, before):
        pairs = {own_row(world, name, name, "Key Pair") for name in ("box-1", "box-2")}
        return before[0] | pairs | {own_row(world, "box-ca", "root", "Certificate")}, before[1]

    def do(self, world):
        return world.tenant.write("POST", "/KeystoreResources?importOption=overwrite", {
            "Name": "system", "Password": "box-pass", "Resource": b64(world.box)})


class BackUp:
    """An entry comes or goes before, so that the backup is another one."""

    def prepare(self, world):
        to_base(world)
        alias = "sometimes"
        if alias in world.tenant.entries():
            answer = world.tenant.write("DELETE", f"/KeystoreEntries('{hexed(alias)}')")
        else:
            answer = world.tenant.put_certificate(alias, world.root)
        equal(answer.status, 204, f"the change before: {answer}")

    def after(self, world, before):
        return before[0], frozenset(row for row in before[0] if row[2] != "SAP")

    def do(self, world):
        return world.tenant.back_up()


class Restore:
    def prepare(self, world):
        to_base(world)
        t = world.tenant
        equal(t.put_certificate("later", world.root).status, 204, "a later entry")
        equal(t.write("DELETE", f"/KeystoreEntries('{hexed('trusted')}')").status, 204, "an entry less")

    def after(self, world, before):
        return before[1] | {row for row in before[0] if row[2] == "SAP"}, before[1]

    def do(self, world):
        return world.tenant.restore("replace")


class Undo(Restore):
    def prepare(self, world):
        super().prepare(world)
        self.undone = state_of(world)
        equal(world.tenant.restore("replace").status, 200, "the restore before")

    def after(self, world, before):
        return self.undone

    def do(self, world):
        return world.tenant.own("POST", "/undo")


class Same:
    """What changes no entry."""

    def prepare(self, world):
        pass

    def after(self, world, before):
        return before


class FirstEntry(Same):
    """The first entry of a tenant makes its data key."""

    def prepare(self, world):
        world.number += 1
        made = world.create_subaccount(f"New {world.number}").json()
        self.tenant = Tenant(world, ADMIN, world.cloud_password, subaccount=made["id"])

    def do(self, world):
        return self.tenant.put_certificate("first", world.root)

    def settle(self, world):
        self.tenant.session = None
        answer = self.do(world)
        expect(answer.status == 204 or "already in use" in answer.text, f"the first entry: {answer}")
        equal(verified(world, self.tenant), {"checked": 1, "damaged": 0, "damage": []}, "the other tenant")


class Rotate(Same):
    def do(self, world):
        rotate(world)

    def settle(self, world):
        settle_master(world)


class Reseal(Same):
    def prepare(self, world):
        rotate(world, wait=True)

    def do(self, world):
        return reseal(world)

    def settle(self, world):
        settle_master(world)


class NewDataKeys(Same):
    def do(self, world):
        return reseal(world, "?dataKeys=new")

    def settle(self, world):
        def done():
            answer = attempt(lambda: self.do(world))
            return answer is not None and answer.status == 200 and answer.json()["last"]["failed"] == 0
        wait_for(done, "new data keys", 60)


class Verify(Same):
    def do(self, world):
        return world.tenant.own("GET", "/verify")


OPERATIONS = {"add": Add, "import": Import, "back up": BackUp, "restore": Restore, "undo": Undo,
              "first entry": FirstEntry, "rotate": Rotate, "reseal": Reseal, "new data keys": NewDataKeys,
              "verify": Verify}


def judge(world, operation, before, after, answer, what):
    """After the crash: one of both states, and the one after when that was answered; then it is done for good."""
    answered = answer is not None and 200 <= answer.status < 300
    now = check(world, [after] if answered else [before, after], what)
    if hasattr(operation, "settle"):
        operation.settle(world)
    elif now == before and before != after:
        again = operation.do(world)
        expect(200 <= again.status < 300, f"{what}: again, it is {again}")
        check(world, [after], what + ", again")


# ---- named points ----

def crash_at(world, name, point):
    operation = OPERATIONS[name]()
    operation.prepare(world)
    before = state_of(world)
    after = operation.after(world, before)
    seen, family = hits(world, point), world.cloud.family()
    arm(world, point)
    answer = attempt(lambda: operation.do(world))
    wait_for(lambda: died(world, point, seen), f"{name} coming to {point}", 60)
    if point.startswith("monitor"):
        world.cloud.process.wait()
    if point.startswith("keyd.entry"):  # the server lives: it repeats the call, or says when to come again
        expect(answer is not None and (200 <= answer.status < 300 or
               (answer.status, answer.headers.get("Retry-After")) == (503, "1")), f"{name}, {point}: {answer}")
    come_back(world, family)
    judge(world, operation, before, after, answer, f"{name}, {point}")


def chosen(world):
    """Each point of each operation; in a short run each point once, on the two databases in different operations."""
    pairs = [(name, point) for name, points in POINTS.items() for point in points]
    if KILLS >= 100:
        return pairs
    order = pairs if world.postgres else pairs[::-1]
    once = {point: name for name, point in order}
    return [(name, point) for name, point in pairs if once[point] == name]


def case_named_points(world):
    """killed at each named point of each operation, the keystore is the one before or after, and opens"""
    every = {point for points in POINTS.values() for point in points}
    alone = {"keyd.anchor.opened"}  # see case_new_key_unheard_of
    equal(points_in_source(r"(keystore|store|monitor|keyd\.(entry|anchor))\.") - alone, every, "named points of the source")
    for name, point in chosen(world):
        crash_at(world, name, point)
    hit = {point: hits(world, point) for point in sorted(every)}
    expect(all(hit.values()), f"not hit: {hit}")
    print("# hit: " + ", ".join(f"{point} {n}" for point, n in hit.items()), flush=True)


# ---- random times ----

def parent_of(pid):
    with contextlib.suppress(OSError, IndexError, ValueError):
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])
    return 0


def victims(world):
    """Every process of the cloud side, by what it is."""
    family, found = world.cloud.family(), {}
    keys = world.cloud.named("drawbridge-keyd")
    keyds = [pid for pid in keys if parent_of(pid) == family[0]]
    for pid in family:
        parent = parent_of(pid)
        kind = ("monitor" if pid == family[0] else "keyd" if pid in keyds else
                "nursery" if parent in keyds else "worker" if pid in keys else "server")
        found.setdefault(kind, []).append(pid)
    return found


def kill_somebody(world, chance):
    found = victims(world)
    kind = chance.choice(sorted(found))
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(found[kind]), signal.SIGKILL)
    if kind == "monitor":
        world.cloud.process.wait()
    return kind


def random_kill(world, chance, killed, did):
    name = chance.choice(sorted(OPERATIONS))
    operation, answers = OPERATIONS[name](), []
    operation.prepare(world)
    before = state_of(world)
    after = operation.after(world, before)
    family = world.cloud.family()
    doing = threading.Thread(target=lambda: answers.append(attempt(lambda: operation.do(world))))
    doing.start()
    time.sleep(chance.random() * 0.12 * world.sanitizer_factor)
    kind = kill_somebody(world, chance)
    doing.join(120)
    killed[kind] = killed.get(kind, 0) + 1
    did[name] = did.get(name, 0) + 1
    try:
        come_back(world, family)
        judge(world, operation, before, after, answers[0] if answers else None, f"{name}, {kind} killed")
    except Failure as reason:
        raise Failure(f"kill {sum(killed.values())}: {name}, {kind} killed: {reason}") from reason


def case_random_kills(world):
    """killed at random times of changes, backups, restores and rotations, the keystore is the one before or after"""
    seed = int(os.environ.get("DRAWBRIDGE_SEED", random.randrange(1 << 32)))
    chance, killed, did = random.Random(seed), {}, {}
    print(f"# seed {seed}", flush=True)
    try:
        for _ in range(KILLS):
            random_kill(world, chance, killed, did)
    finally:
        for what, counts in (("killed", killed), ("during", did)):
            print(f"# {what}: " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items())), flush=True)


def case_new_key_unheard_of(world):
    """a key process that dies as soon as it has taken a new master key leaves a service that comes back by itself"""
    before, point = state_of(world), "keyd.anchor.opened"
    arm(world, point)
    rotate(world)
    wait_for(lambda: died(world, point, 0), f"the new key process coming to {point}", 60)
    monitor, old = world.cloud.pid, set(victims(world).get("keyd", ()))
    for pid in old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: set(victims(world).get("keyd", ())) - old, "another key process")
    come_back(world)
    equal((world.cloud.running(), world.cloud.pid), (True, monitor), "the monitor")
    check(world, [before], "after it")
    settle_master(world)


def case_old_keys_dropped(world):
    """after all that, nothing needs a master key of before"""
    before = state_of(world)
    drop_old_keys(world)
    check(world, [before], "without the old master keys")
    with open(master_file(world), encoding="ascii") as f:
        equal(len(f.read().split()), 1, "master keys")
