"""The master key of both programs changes while they serve; what is sealed is sealed again; and the anchor of the
audit, which keyd writes outside of the database."""
import os
import signal
import subprocess
import threading

import scenes
from stage import Rest, equal, expect, wait_for
from world import CLOUD

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


class Callers:
    """Requests without a pause; what failed is kept."""

    def __init__(self, rest):
        self.rest, self.stop, self.calls, self.failed = rest, False, 0, []
        self.threads = [threading.Thread(target=self.work) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.stop:
            answer = self.rest.call("GET", "/healthz")  # a whole TLS handshake each
            self.calls += 1
            if answer.status not in (200, 401, 404):
                self.failed.append(answer.status)

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
            done = rest.must("POST", MASTER).json()
            equal(done["resealed"], before["items"], f"{name}: {done}")
            expect(done["done"] and done["failed"] == 0, f"{name}: {done}")
            expect(rest.must("GET", MASTER).json()["done"], f"{name}: done")
        finally:
            callers.end()
        expect(callers.calls > 20 and not callers.failed, f"{name}: {callers.calls} calls, {callers.failed[:5]}")


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
