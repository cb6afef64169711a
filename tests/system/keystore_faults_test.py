"""What goes wrong around a tenant's keystore: a disk that is full or read-only, a master key that is gone, a database
that restarts in the middle, files that want to harm. Each time: the reason with the next step, nothing changed, and
the handshakes go on from memory.
"""
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from disk_test import full
from hostile_files import endless, endless_cipher, lengths_that_lie, many, nested
from inbound_test import Authority, dial, may_edit
from stage import equal, expect, only_on, wait_for
from tenant import Tenant, b64, error_of, make_certificate, make_pkcs12, openssl
from world import ADMIN

DATABASES = ("sqlite", "postgresql")
PASSWORD = "Xk9-vale-77"


def scene(world):
    """A connector whose requests come over 20443, let in by an entry of the keystore."""
    if world.database == "sqlite":
        on_small_disk(world)
    world.bring_up()
    may_edit(world, world.subaccount)
    world.tls_ca = world.first_ca(world.ports.tunnel)
    world.app_token = world.token()
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    world.files = world.sub("pki")
    world.customer, world.stranger = Authority(world.files, "Customer Root"), Authority(world.files, "Stranger Root")
    world.good, world.bad = world.customer.client("edge"), world.stranger.client("intruder")
    t = world.tenant
    equal(t.put_certificate("customer", world.customer.text()).status, 204, "the anchor")
    equal(t.own("PUT", "/entries/" + "customer".encode().hex(), {"trustedForInbound": True}).status, 200, "its mark")
    equal(t.back_up().status, 204, "the backup")
    make_certificate(world.files, "bulk")
    world.der = openssl("x509", "-in", world.files + "/bulk.pem", "-outform", "DER", binary=True)
    world.pair = make_pkcs12(world.files, "bulk", PASSWORD)
    serves(world)


def on_small_disk(world):
    path = world.sub("cloud")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", path], check=True)

    def unmount():
        if os.path.ismount(path):
            subprocess.run(["umount", "-l", path], check=True)
    world.at_close.append(unmount)


def serves(world):
    """The keystore at work: who is trusted is let in, and nobody else."""
    seen = dial(world, world.good)
    equal(seen.status, 200, f"a handshake with a certificate: {seen!r}")
    seen = dial(world, world.bad)
    expect(seen.status == 0 and "unknown ca" in seen.text, f"a stranger's: {seen!r}")


def put_pair(world, container, password=PASSWORD, alias="faulty"):
    return world.tenant.write("POST", "/KeyPairResources?fingerprintVerified=true",
                              {"Hexalias": "00", "Alias": alias, "Password": password, "Resource": b64(container)})


def put_all(world, container, password=PASSWORD, mode="merge"):
    return world.tenant.write("POST", f"/KeystoreResources?importOption={mode}",
                              {"Name": "system", "Resource": b64(container), "Password": password})


def state(world):
    return world.tenant.head()["generation"], sorted(world.tenant.entries())


def refused(answer, statuses, *words):
    """The status, a text that names each of the words, and no text that lets the reader guess."""
    expect(answer.status in statuses, f"saw {answer}")
    _, text = error_of(answer) if '"error"' in answer.text else ("", answer.json().get("detail", ""))
    for word in words:
        expect(re.search(word, text, re.I), f"no word of \"{word}\": {text}")
    expect("Internal" not in text and len(text) > 10, f"a text that explains nothing: {text}")


def processes(world):
    return sorted(world.cloud.named("drawbridge-keyd"))


def verified(world):
    seen = world.tenant.own("GET", "/verify").json()
    equal(seen["damaged"], 0, f"damaged: {seen}")


def works_again(world, alias):
    """The next good upload, and the next change."""
    answer = put_pair(world, world.pair, alias=alias)
    equal(answer.status, 204, f"a good upload afterwards: {answer}")
    equal(world.tenant.write("DELETE", f"/KeystoreEntries('{alias.encode().hex()}')").status, 204, "and its deletion")


# ---- files that want to harm ----

def case_wrong_password(world):
    """a wrong password of a container says so and changes nothing, for one entry and for a whole keystore"""
    before = state(world)
    for wrong in ("wrong", "", "Xk9-vale-77 "):
        refused(put_pair(world, world.pair, wrong), (400,), "password")
        refused(put_all(world, world.pair, wrong), (400,), "password")
    equal(state(world), before, "the keystore")
    works_again(world, "after-password")


def case_hostile_containers(world):
    """iterations without end, too many entries, nesting and lengths that lie are refused soon, by the limit's name"""
    before, people = state(world), processes(world)
    rows = [("2^31 iterations of the MAC", endless(world.der, 1 << 31), (413,), "iterations"),
            ("2^63 iterations", endless(world.der, (1 << 63) - 1), (413,), "iterations"),
            ("5,000,001 iterations of the cipher",
             endless_cipher(world.files, "bulk", PASSWORD, 5000001), (413,), "iterations"),
            ("1,501 entries", many(world.der, 1501), (413,), "entries|keystore.keypair.max"),
            ("nested 5 deep", nested(world.der, 5), (413,), "depth|nest"),
            ("nested 2,000 deep", nested(world.der, 2000), (400, 413, 415), "depth|nest|keystore.keypair.max")]
    rows += [(f"a length that lies, {i}", file, (400, 413, 415), "PKCS|container|file|malformed|broken")
             for i, file in enumerate(lengths_that_lie(world.der))]
    for what, file, statuses, word in rows:
        for put in (put_pair, put_all):
            begun = time.monotonic()
            answer = put(world, file)
            took = time.monotonic() - begun
            try:
                refused(answer, statuses, word)
            except Exception as why:
                raise type(why)(f"{what} by {put.__name__}: {why}") from why
            expect(took < 5 * world.sanitizer_factor, f"{what}: took {took:.1f} s")
    equal(state(world), before, "the keystore")
    equal(processes(world), people, "keyd and its nursery")
    serves(world)
    works_again(world, "after-hostile")


def case_truncated(world):
    """a container cut off anywhere is refused as such, never half taken"""
    before, people = state(world), processes(world)
    for cut in [0, 1, 2, 5] + [len(world.pair) * i // 12 for i in range(1, 12)] + [len(world.pair) - 1]:
        for put in (put_pair, put_all):
            answer = put(world, world.pair[:cut])
            expect(answer.status in (400, 415), f"cut at {cut}: {answer}")
            expect(len(error_of(answer)[1]) > 10, f"cut at {cut}: {answer}")
    equal(state(world), before, "the keystore")
    equal(processes(world), people, "keyd and its nursery")
    works_again(world, "after-truncated")


def case_thousand(world):
    """a container of 1,000 certificates is taken whole, and restore takes them out again"""
    before = state(world)
    answer = put_all(world, many(world.der, 1000))
    equal(answer.status, 200, f"the import: {answer}")
    rows = answer.json()["d"]["results"]
    equal(sum(row["Status"] == "new" for row in rows), 1000, "new entries")
    serves(world)
    equal(world.tenant.restore("replace").status, 200, "the restore")
    equal(state(world)[1], before[1], "the entries afterwards")
    serves(world)


def case_workers_are_counted(world):
    """eight bad uploads at once are answered, each by its own reason, and handshakes go on beside them"""
    people, answers = processes(world), []

    def upload(i):
        file = (endless(world.der, 1 << 31), many(world.der, 1501), world.pair[:400], world.pair)[i % 4]
        t = Tenant(world, ADMIN, world.cloud_password)
        answers.append(t.write("POST", "/KeyPairResources?fingerprintVerified=true", {
            "Hexalias": "00", "Alias": "x", "Password": "wrong", "Resource": b64(file)}).status)
    threads = [threading.Thread(target=upload, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    serves(world)
    for thread in threads:
        thread.join()
    expect(all(status in (400, 413, 415) for status in answers) and len(answers) == 8, f"saw {answers}")
    equal(processes(world), people, "keyd and its nursery")


# ---- the disk ----

def changes(world):
    """One of each kind of change, all of which must fail alike."""
    t = world.tenant
    yield "an upload", put_pair(world, world.pair)
    yield "a certificate", t.put_certificate("faulty", world.stranger.text())
    yield "a new key pair", t.generate("faulty")
    yield "a restore", t.restore("replace")
    yield "a backup", t.back_up()
    yield "a deletion", t.write("DELETE", f"/KeystoreEntries('{b'customer'.hex()}')")


@only_on("sqlite")
def case_disk_full(world):
    """on a full disk every change is refused with the reason, reading and handshakes go on, and room cures it"""
    t = world.tenant
    equal(t.put_certificate("later", world.stranger.text()).status, 204, "something to restore away")
    with full(os.path.join(world.folder, "cloud")):
        big = many(world.der, 400)
        for _ in range(4):  # the database's log may have room of its own for the first
            answer = put_all(world, big, mode="overwrite")
            if answer.status != 200:
                break
        refused(answer, (503,), "full", "make room")
        before = state(world)
        for what, answer in changes(world):
            if answer.status not in (200, 204):
                refused(answer, (503,), "full", "room")
        serves(world)
    equal(t.restore("replace").status, 200, "the restore with room")
    equal(sorted(t.entries()), ["customer"], "the entries")
    verified(world)
    works_again(world, "after-full")


def plain_disk(world, name):
    """That daemon's state on a file system that knows the attribute "immutable"; False: there is none."""
    path = world.sub(name)
    getattr(world, name).stop()
    if os.path.ismount(path):
        shutil.copytree(path, path + "-copy")
        subprocess.run(["umount", path], check=True)
        os.rmdir(path)
        os.rename(path + "-copy", path)
    getattr(world, "start_" + name)()
    probe = os.path.join(path, "probe")
    with open(probe, "wb", buffering=0) as f:
        done = subprocess.run(["chattr", "+i", probe], capture_output=True)
        try:
            f.write(b"x")
            known = False
        except OSError:
            known = True
    if done.returncode == 0:
        subprocess.run(["chattr", "-i", probe], check=True)
    os.unlink(probe)
    return known


def case_read_only(world):
    """a database that becomes read-only refuses changes with the next step; reading and handshakes go on"""
    equal(world.tenant.put_certificate("later", world.stranger.text()).status, 204, "something to restore away")
    before = state(world)
    if world.database == "postgresql":
        sql(world, "ALTER SYSTEM SET default_transaction_read_only = on")
        sql(world, "SELECT pg_reload_conf()")
        wait_for(lambda: sql(world, "SHOW default_transaction_read_only") == "on", "the setting")
    elif plain_disk(world, "cloud"):
        world.tenant = Tenant(world, ADMIN, world.cloud_password)
        world.tenant.fetch()
        wait_for(lambda: world.first.connected(), "the tunnel", 60)
        files = [world.state_file("cloud") + end for end in ("", "-wal")]
        files = [path for path in files if os.path.exists(path)]
        subprocess.run(["chattr", "+i", *files], check=True)
    else:
        print("# skipped: no file system here knows immutable files", flush=True)
        return
    try:
        for what, answer in changes(world):
            try:
                refused(answer, (503,), "cannot be written|read-only", "look|make|set")
            except Exception as why:
                raise type(why)(f"{what}: {why}") from why
        equal(state(world), before, "the keystore")
        serves(world)
    finally:
        if world.database == "postgresql":
            sql(world, "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only")
            sql(world, "SELECT pg_reload_conf()")
            wait_for(lambda: sql(world, "SHOW default_transaction_read_only") == "off", "the setting")
        else:
            subprocess.run(["chattr", "-i", *files], check=True)
    wait_for(lambda: world.tenant.restore("replace").status == 200, "a change again", 60)
    verified(world)
    works_again(world, "after-read-only")


# ---- PostgreSQL in the middle of it ----

def sql(world, text, wait=True):
    words = ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", world.postgres.url]
    for part in text.split("; "):
        words += ["-c", part]
    if not wait:
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run(words, capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)
    return done.stdout.strip()


@only_on("postgresql")
def case_restarted_in_mid_import(world):
    """PostgreSQL restarted while an import is inside its transaction: it is all there or not at all, and said so"""
    for how in (signal.SIGINT, signal.SIGQUIT):  # in order, and as after a crash
        before, answers = state(world), []
        holder = sql(world, "BEGIN; LOCK TABLE entry_life IN EXCLUSIVE MODE; SELECT pg_sleep(60)", wait=False)
        wait_for(lambda: sql(world, "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                             "WHERE c.relname = 'entry_life' AND l.mode = 'ExclusiveLock' AND l.granted") == "1",
                 "the lock")
        importer = threading.Thread(target=lambda: answers.append(put_all(world, many(world.der, 200))))
        importer.start()
        wait_for(lambda: sql(world, "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                             "WHERE c.relname = 'entry_life' AND NOT l.granted") != "0", "the import waiting in it")
        world.postgres.stop(how)
        holder.wait(30)
        serves(world)
        world.postgres.start()
        importer.join(60)
        answer = answers[0]
        if answer.status == 200:
            expected = len(before[1]) + 200
        else:
            refused(answer, (503,), "database", "again")
            expected = len(before[1])
        wait_for(lambda: world.tenant.get("/KeystoreEntries").status == 200, "the keystore again", 60)
        after = state(world)
        print(f"# {how.name}: the import was answered {answer.status}", flush=True)
        equal(len(after[1]), expected, "entries")
        equal(after[0] - before[0], 1 if answer.status == 200 else 0, "generations")
        verified(world)
        equal(world.tenant.restore("replace").status, 200, "the restore")
        equal(sorted(world.tenant.entries()), before[1], "the entries")
        serves(world)
        works_again(world, "after-restart")


# ---- the master key ----

def case_master_key_lost(world):
    """without its master key, or with another, the cloud side does not start, says why, and makes no new one"""
    path = os.path.join(world.sub("cloud-key"), "master.key")
    before = state(world)
    os.rename(path, path + ".away")
    serves(world)  # keyd keeps the key
    world.cloud.stop()
    for content in (None, os.urandom(32).hex() + "\n", "no key\n", ""):
        if content is not None:
            with open(path, "w", encoding="ascii") as f:
                f.write(content)
            os.chmod(path, 0o400)
        mark = len(world.cloud.log(100000))
        world.cloud.start()
        status = world.cloud.process.wait(60)
        text = "".join(line for line in world.cloud.log(100000)[mark:].splitlines(True) if " error " in line)
        expect(status != 0, f"it ended with 0: {text}")
        expect("master key" in text, f"what is missing is not named: {text}")
        expect(re.search("put its copy there|give the right one|put a copy", text), f"no next step: {text}")
        expect(content is not None or not os.path.exists(path), "a new one was made")
        if content is not None:
            os.unlink(path)
    os.rename(path + ".away", path)
    world.start_cloud()
    wait_for(lambda: world.first.connected(), "the tunnel", 60)
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    equal(state(world), before, "the keystore")
    serves(world)
    verified(world)
    works_again(world, "after-key")


def case_keyd_is_well(world):
    """after all of it keyd answers, its nursery makes keys, and its metrics say so"""
    def calls():
        line = next(x for x in world.metrics().text.splitlines() if x.startswith("drawbridge_keys_calls_total "))
        return float(line.split()[1])
    before, people = calls(), processes(world)
    equal(world.tenant.generate("the last one").status, 204, "a fresh key")
    expect(calls() > before, "no call was counted")
    expect(world.cloud.running() and len(people) >= 2, f"keyd and its nursery: {people}")
    equal(processes(world), people, "keyd and its nursery")
