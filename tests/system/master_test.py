"""The master key of both programs changes while they serve; what is sealed is sealed again; and the anchor of the
audit, which keyd writes outside of the database."""
import base64
import http.client
import json
import os
import signal
import subprocess
import threading

import scenes
from keystore_damage_test import flip, sql
from stage import Answer, Rest, equal, expect, wait_for
from tenant import Tenant
from world import ADMIN, CLOUD

DATABASES = ("sqlite", "postgresql")
MASTER = f"{CLOUD}/master-key"


def scene(world):
    scenes.ready(world)


def keyd(world, *words):
    path = os.path.join(world.build, "src", "programs", "drawbridge-keyd")
    return subprocess.run([path, *words], check=False, capture_output=True, text=True)


def programs(world):
    return (("cloud", world.cloud, world.console, os.path.join(world.sub("cloud-key"), "master.key")),
            ("connector", world.connector, world.admin,
             os.path.join(world.sub("connector-key"), "master.key")))


def resealed(rest, more=""):
    """Starts a run and waits for it: what GET has of its end."""
    begun = rest.call("POST", MASTER + more)
    equal((begun.status, begun.headers.get("location")), (202, MASTER), f"start: {begun}")
    progress = begun.json()["progress"]
    wait_for(lambda: not rest.must("GET", MASTER).json()["running"], "the end of the run", 60)
    last = rest.must("GET", MASTER).json()["last"]
    equal((last["started"], last["error"]), (progress["started"], ""), "the run")
    return last


class Callers:
    """Requests without a pause; what failed is kept."""

    def __init__(self, rest):
        self.rest, self.stop, self.calls, self.failed = rest, False, 0, []
        self.threads = [threading.Thread(target=self.work) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.stop:
            try:
                status = self.rest.call("GET", "/healthz").status  # a whole TLS handshake each
            except (OSError, http.client.HTTPException) as reason:
                status = repr(reason)
            self.calls += 1
            if status not in (200, 401, 404):
                self.failed.append(status)

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join()


def hang_up(program, seen):
    program.process.send_signal(signal.SIGHUP)
    wait_for(lambda: program.log(100000).count("its first key seals from now on") > seen, "the new master key", 60)


def case_rotation(world):
    """the master key changes under requests without one lost, and all that is sealed moves to it"""
    for name, program, rest, path in programs(world):
        before = rest.must("GET", MASTER).json()
        expect(before["items"] > 0 and before["done"], f"{name}: {before}")
        callers = Callers(rest)
        try:
            equal(keyd(world, "--new-master-key", path).returncode, 0, f"{name}: a new key")
            hang_up(program, 0)
            under = rest.must("GET", MASTER).json()
            equal(under["underOldKey"], before["items"], f"{name}: under the old key, {under}")
            done = resealed(rest)
            equal((done["resealed"], done["itemsDone"], done["itemsAll"], done["failed"]),
                  (before["items"], before["items"], before["items"], 0), f"{name}: {done}")
            expect(rest.must("GET", MASTER).json()["done"], f"{name}: done")
            so_far = callers.calls
            wait_for(lambda: callers.calls > so_far + 20, f"{name}: requests going on after it", 60)
        finally:
            callers.end()
        equal(callers.failed[:5], [], f"{name}: failed of {callers.calls} requests")


class Held:
    """Requests over one connection: no handshake, so that a key process that stands still is not asked."""

    def __init__(self, rest):
        self.line = http.client.HTTPSConnection("localhost", rest.port, context=rest.context, timeout=60)
        pair = f"{rest.user}:{rest.password}".encode()
        self.fields = {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def call(self, method, path):
        self.line.request(method, path, headers=self.fields)
        answer = self.line.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def case_one_at_a_time(world):
    """a run blocks nobody, shows how far it is, and refuses a second one"""
    for name, program, rest, _ in programs(world):
        held = Held(rest)
        items = held.call("GET", MASTER).json()["items"]
        keyds = program.named("drawbridge-keyd")
        for pid in keyds:
            os.kill(pid, signal.SIGSTOP)
        try:
            equal(held.call("POST", MASTER).status, 202, f"{name}: start")
            wait_for(lambda: held.call("GET", MASTER).json()["progress"]["itemsAll"] == items, "how many there are")
            look = held.call("GET", MASTER).json()
            equal((look["running"], look["done"], look["progress"]["itemsDone"]), (True, False, 0), f"{name}: {look}")
            equal(held.call("POST", MASTER).status, 409, f"{name}: another one")
        finally:
            for pid in keyds:
                os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not held.call("GET", MASTER).json()["running"], "the end of the run", 60)
        last = held.call("GET", MASTER).json()["last"]
        equal((last["error"], last["itemsDone"]), ("", items), f"{name}: {last}")


def case_stopped(world):
    """a program that ends stops the run behind its item, says so in the audit, and the next one does the rest"""
    held = Held(world.console)
    ends = "SELECT COUNT(*) FROM audit WHERE what = 'master-key.reseal.end' AND became LIKE '%stopped half way%'"
    held.call("GET", MASTER)  # its handshake
    keyds = world.cloud.named("drawbridge-keyd")
    for pid in keyds:
        os.kill(pid, signal.SIGSTOP)
    try:
        equal(held.call("POST", MASTER).status, 202, "start")
        seen = world.cloud.log(100000).count("ending: ")
        world.cloud.process.send_signal(signal.SIGTERM)
        wait_for(lambda: world.cloud.log(100000).count("ending: ") > seen, "the end's begin", 60)
    finally:
        held.line.close()
        wait_for(lambda: "sealing again stops behind its item" in world.cloud.log(100000), "the stop", 60)
        for pid in keyds:
            os.kill(pid, signal.SIGCONT)
    world.cloud.process.wait(60)
    equal(int(sql(world, ends)), 1, "runs that were stopped")
    world.start_cloud()
    last = world.console.must("GET", MASTER).json()["last"]
    expect("stopped half way" in last["error"], f"the last run, before the restart: {last}")
    equal(resealed(world.console)["failed"], 0, "the next run")


def cli(world, name, *words):
    port, password = ((world.ports.console, world.cloud_password) if name == "cloud" else
                      (world.ports.admin, world.first.password))
    done = subprocess.run([world.binary("drawbridge"), name, "master-key", "reseal", *words, "--url",
                           f"https://localhost:{port}", "--ca-file", world.first_ca(port), "--output", "json"],
                          capture_output=True, text=True, timeout=60, env=dict(os.environ, DRAWBRIDGE_PASSWORD=password))
    return done.returncode, done.stdout, done.stderr


def case_command(world):
    """the command waits for the end"""
    for name in ("cloud", "connector"):
        status, said, why = cli(world, name)
        equal((status, why), (0, ""), f"{name}: {said}")
        equal(json.loads(said)["failed"], 0, said)


def case_damage(world):
    """a tenant's damaged entry and data key are named, stop no other, and the command ends with 1"""
    tenants = []
    for name in ("Damaged", "Whole"):
        tenants.append(Tenant(world, ADMIN, world.cloud_password, subaccount=world.create_subaccount(name).json()["id"]))
        for alias in ("one", "two"):
            equal(tenants[-1].generate(alias).status, 204, alias)
    bad, good = (tenant.subaccount for tenant in tenants)
    flip(world, "data_key", "wrapped", f"tenant = '{bad}'")
    status, said, why = cli(world, "cloud")
    flip(world, "data_key", "wrapped", f"tenant = '{bad}'")
    last = json.loads(said)
    equal((status, last["failed"], last["error"]), (1, 1, ""), f"{said}{why}")
    expect(len(last["failures"]) == 1 and f"tenant {bad}: " in last["failures"][0], said)
    entry = f"WHERE alias = 'one' AND keystore IN (SELECT id FROM keystore WHERE tenant = '{bad}')"
    sql(world, f"UPDATE entry_version SET flags = flags + 1 {entry}")
    status, said, why = cli(world, "cloud", "--new-data-keys")
    sql(world, f"UPDATE entry_version SET flags = flags - 1 {entry}")
    last = json.loads(said)
    equal((status, last["failed"], last["resealed"], last["error"]), (1, 1, 3, ""), f"{said}{why}")
    expect(len(last["failures"]) == 1 and f"tenant {bad}: entry one: " in last["failures"][0], said)
    moved = "SELECT COUNT(DISTINCT c.data_key) FROM entry_content c JOIN entry_version v ON v.id = c.id" \
            " JOIN keystore s ON s.id = v.keystore WHERE s.tenant = '{}'"
    equal([int(sql(world, moved.format(tenant))) for tenant in (bad, good)], [2, 1], "data keys in use")
    status, said, why = cli(world, "cloud", "--new-data-keys")
    equal((status, json.loads(said)["resealed"]), (0, 4), f"whole again: {said}{why}")


def case_recorded(world):
    """start and end of each run are in the audit, also of one with failures"""
    count = {what: int(sql(world, f"SELECT COUNT(*) FROM audit WHERE what = '{what}' AND who = 'user:{ADMIN}'"))
             for what in ("master-key.reseal", "master-key.reseal.end")}
    equal(count["master-key.reseal"], count["master-key.reseal.end"], "runs")
    expect(count["master-key.reseal"] >= 6, f"{count}")
    failed = "SELECT COUNT(*) FROM audit WHERE what = 'master-key.reseal.end' AND became LIKE '%\"failed\":1%'"
    equal(int(sql(world, failed)), 2, "runs with failures")


def case_old_key_is_dropped(world):
    """with the old line taken out, both programs start and serve"""
    for name, program, rest, path in programs(world):
        equal(keyd(world, "--drop-old-master-keys", path).returncode, 0, f"{name}: dropped")
        with open(path, encoding="ascii") as f:
            equal(len(f.read().split()), 1, f"{name}: lines")
        equal(os.stat(path).st_mode & 0o777, 0o400, f"{name}: mode")
        program.stop()
    world.start_cloud()
    world.start_connector()
    wait_for(lambda: world.first.connected(), "the tunnel", 60)
    for name, _, rest, _ in programs(world):
        expect(rest.must("GET", MASTER).json()["done"], name)


def case_refused_source(world):
    """a source that does not open what the state folder was made with changes nothing"""
    for name, program, rest, path in programs(world):
        with open(path, encoding="ascii") as f:
            good = f.read()
        for bad in ("no key at all\n", "00" * 32 + "\n"):
            os.unlink(path)
            with open(path, "w", encoding="ascii") as f:
                f.write(bad)
            os.chmod(path, 0o400)
            seen = program.log(100000).count("the old one stays")
            program.process.send_signal(signal.SIGHUP)
            wait_for(lambda: program.log(100000).count("the old one stays") > seen, f"{name}: refused", 60)
            equal(rest.call("GET", MASTER).status, 200, f"{name} serves")
        os.unlink(path)
        with open(path, "w", encoding="ascii") as f:
            f.write(good)
        os.chmod(path, 0o400)


def case_only_administrators(world):
    """who is no administrator sees and changes nothing of it"""
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    for method in ("GET", "POST"):
        equal(owner.call(method, MASTER).status, 403, method)
        equal(Rest(world.ports.console).call(method, MASTER).status, 401, method)


def case_anchor(world):
    """keyd notes the head of the audit in its own file within seconds"""
    for name in ("cloud", "connector"):
        path = os.path.join(world.sub(name), "keyd", "anchor")

        def lines():
            with open(path, encoding="ascii") as f:
                return f.read().splitlines()
        wait_for(lambda: os.path.exists(path) and len(lines()) > 1, f"{name}: a line", 20)
        expect(lines()[0].startswith("drawbridge anchor 1 "), lines()[0])
        before = len(lines())
        if name == "cloud":
            world.create_subaccount("Anchored")
            wait_for(lambda: len(lines()) > before, "the next line", 20)
        words = lines()[-1].split(" ")
        equal(len(words), 5, lines()[-1])
        expect(words[1].startswith(("audit", "denied:")), words[1])
