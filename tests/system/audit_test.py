"""`drawbridge audit verify`: a log that was touched is found out, on a copy of the database, without the program."""
import contextlib
import os
import shutil
import sqlite3
import subprocess

from crash import arm, died, points_in_source
from stage import Rest, equal, expect, wait_for
from world import CLOUD

DATABASES = ("sqlite", "postgresql")
OF_EXPORTS = "node like 'exports:%'"
GUESSES = 3
EXPORTS = 4


def scene(world):
    world.start_cloud()
    world.first_start_of_cloud()
    world.create_owner_and_subaccount()
    world.anchor = os.path.join(world.folder, "cloud", "keyd", "anchor")
    wait_for(lambda: rows_of_anchor(world, "audit") > 0, "the anchor's first line", 30)
    for i in range(4):
        world.console.must("POST", f"{CLOUD}/users", {"name": f"user{i}", "password": "Some-password-1"})
    for _ in range(GUESSES):
        equal(Rest(world.ports.console, "mallory", "guess").call("GET", f"{CLOUD}/users").status, 401, "a guess")
    for _ in range(EXPORTS):
        world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/keystore/export")
    world.url_of_database = world.postgres.url if world.postgres else os.path.join(world.folder, "cloud", "cloud.db")

    def anchored():
        done = verify(world, world.url_of_database, world.anchor)
        return (rows_of_anchor(world, "denied") == GUESSES and rows_of_anchor(world, "exports") == EXPORTS and
                done.returncode == 0 and " 0 newer" in done.stdout)
    wait_for(anchored, "the anchor of all chains", 30)


def verify(world, database, anchor=None):
    words = [world.binary("drawbridge"), "audit", "verify", database]
    return subprocess.run(words + (["--anchor", anchor] if anchor else []), capture_output=True, text=True, timeout=60)


def psql(world, database, *words, data=None):
    url = world.url_of_database.rsplit("/", 1)[0] + "/" + database
    subprocess.run([os.path.join(world.postgres.bin, "psql"), url, "-v", "ON_ERROR_STOP=1", *words], input=data,
                   capture_output=True, check=True)


def copy_of(world, name):
    """A copy as a backup makes it, of the running program's database."""
    if world.postgres:
        made = "copy_" + name.replace("-", "_")
        psql(world, "postgres", "-c", f"create database {made}")
        dumped = subprocess.run([os.path.join(world.postgres.bin, "pg_dump"), world.url_of_database],
                                capture_output=True, check=True).stdout
        psql(world, made, "-q", data=dumped)
        return world.url_of_database.rsplit("/", 1)[0] + "/" + made
    path = os.path.join(world.sub("copies"), name + ".db")
    with contextlib.closing(sqlite3.connect(world.url_of_database)) as source, \
            contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


def touched(world, name, *statements):
    path = copy_of(world, name)
    touch(world, path, statements)
    return path


def touch(world, path, statements):
    if world.postgres:
        psql(world, path.rsplit("/", 1)[1], "-q", *[word for s in statements for word in ("-c", s)])
        return
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def refused(world, path, words, anchor=None):
    done = verify(world, path, anchor)
    equal(done.returncode, 1, f"exit status; it said {done.stdout}")
    expect(words in done.stderr, f"not named: {done.stderr}")


def case_whole(world):
    """an untouched log verifies, with its anchor and without"""
    for anchor in (None, world.anchor):
        done = verify(world, world.url_of_database, anchor)
        equal(done.returncode, 0, done.stderr)
    equal(verify(world, "/nowhere/at/all.db").returncode, 2, "a database that is not there")
    expect(not os.path.exists("/nowhere/at/all.db"), "it made an empty one")
    expect("is a folder" in verify(world, world.folder).stderr, "a folder")
    if world.postgres:
        return
    path = copy_of(world, "evidence")
    os.chmod(path, 0o400)
    before = (sorted(os.listdir(os.path.dirname(path))), os.stat(path).st_mtime_ns)
    equal(verify(world, path).returncode, 0, "a copy that is only read")
    equal((sorted(os.listdir(os.path.dirname(path))), os.stat(path).st_mtime_ns), before, "verifying changed it")
    with open(path + ".empty", "w"):
        pass
    expect("no database of Drawbridge" in verify(world, path + ".empty").stderr, "an empty file")
    equal(os.path.getsize(path + ".empty"), 0, "its size")


def case_changed(world):
    """a changed byte, a missing row and rows that changed places are named"""
    refused(world, touched(world, "byte", "update audit set who = 'user:somebody' where n = 3"), "row 3 was changed")
    refused(world, touched(world, "missing", "delete from audit where n = 4"), "row 4 is missing")
    swap = ["update audit set n = -1 where n = 3", "update audit set n = 3 where n = 4",
            "update audit set n = 4 where n = -1"]
    refused(world, touched(world, "places", *swap), "row 3 was changed or moved")
    refused(world, touched(world, "denied", f"update denied set object = 'x' where n = 1 and not {OF_EXPORTS}"),
            "denied on")
    exports = {
        "byte": ([f"update denied set object = 'x' where n = 2 and {OF_EXPORTS}"], "row 2 was changed"),
        "missing": ([f"delete from denied where n = 2 and {OF_EXPORTS}"], "row 2 is missing"),
        "places": ([f"update denied set n = -1 where n = 2 and {OF_EXPORTS}",
                    f"update denied set n = 2 where n = 3 and {OF_EXPORTS}",
                    f"update denied set n = 3 where n = -1 and {OF_EXPORTS}"], "row 2 was changed or moved"),
        "front": ([f"update denied_head set pruned_n = 1, pruned_hash = (select hash from denied where n = 1 and "
                   f"{OF_EXPORTS}) where {OF_EXPORTS}", f"delete from denied where n = 1 and {OF_EXPORTS}"],
                  "no rule takes rows, and those up to 1 are gone"),
    }
    for name, (statements, words) in exports.items():
        path = touched(world, "exports-" + name, *statements)
        refused(world, path, words)
        refused(world, path, "exports on", world.anchor)


def case_cut(world):
    """a tail that was cut off with care agrees with itself, and not with the anchor"""
    cut = ["delete from audit where n > (select max(n) - 2 from audit)",
           "update head set n = (select max(n) from audit), hash = (select hash from audit order by n desc limit 1)"]
    path = touched(world, "cut", *cut)
    equal(verify(world, path).returncode, 0, "the chain itself")
    refused(world, path, "is missing, which the anchor saw", world.anchor)
    for name, which in (("denied", "not " + OF_EXPORTS), ("exports", OF_EXPORTS)):
        cut = [f"delete from denied where n > 1 and {which}",
               f"update denied_head set n = 1, hash = (select hash from denied where n = 1 and {which}) where {which}"]
        path = touched(world, "cut-" + name, *cut)
        equal(verify(world, path).returncode, 0, f"the chain of {name} itself")
        refused(world, path, "is missing, which the anchor saw", world.anchor)
    path = touched(world, "cut-all", f"delete from denied where {OF_EXPORTS}",
                   f"delete from denied_head where {OF_EXPORTS}")
    refused(world, path, "all rows are missing", world.anchor)


def case_other_anchor(world):
    """an anchor whose lines were changed, taken out or torn is told"""
    with open(world.anchor, encoding="utf-8") as f:
        lines = f.read().splitlines()
    path = os.path.join(world.sub("copies"), "anchor")

    def written(rows, end="\n"):
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(rows) + end)
        return path
    expect(len(lines) > 3, f"only {len(lines)} lines")
    refused(world, world.url_of_database, "anchor", written(lines[:1] + lines[2:]))
    wrong = lines[1].split(" ")
    wrong[3] = ("0" if wrong[3][0] != "0" else "1") + wrong[3][1:]
    refused(world, world.url_of_database, "anchor", written([lines[0], " ".join(wrong), *lines[2:]]))
    written(lines[:-1], "\n" + lines[-1][:20])
    equal(verify(world, world.url_of_database, path).returncode, 0, "half a last line, as a crash leaves it")
    shutil.rmtree(os.path.dirname(path))


KEPT = 10


def case_pruned(world):
    """old rows about denied attempts go by the rule; a beginning that somebody cut off is told from that"""
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    for _ in range(KEPT + 5):
        equal(owner.call("GET", f"{CLOUD}/users").status, 403, "a denied request")
    wait_for(lambda: rows_of_anchor(world, "denied") >= GUESSES + KEPT + 5, "the anchor of all of them", 30)
    world.cloud.stop()
    older = shutil.copy(world.anchor, os.path.join(world.sub("older"), "anchor"))
    world.cloud.command += ["--audit-denied-rows-max", str(KEPT)]
    world.start_cloud()
    rule = "rows are gone, by the retention's rule, as the anchor says"
    wait_for(lambda: rule in verify(world, world.url_of_database, world.anchor).stdout, "the pruning", 30)
    world.cloud.stop()
    gone = rows_of_anchor(world, "pruned")
    equal(rows_of_anchor(world, "denied") - gone, KEPT, "rows that stay")
    done = verify(world, world.url_of_database)
    equal(done.returncode, 0, done.stderr)
    expect(f"the first {gone} rows are gone, which only the anchor tells from cut off" in done.stdout, done.stdout)
    refused(world, world.url_of_database, "or this anchor is a copy from before", older)
    cut = [f"update denied_head set pruned_n = {gone + 2}, pruned_hash = (select hash from denied where n = {gone + 2} "
           f"and not {OF_EXPORTS}) where not {OF_EXPORTS}",
           f"delete from denied where n <= {gone + 2} and not {OF_EXPORTS}"]
    path = touched(world, "cut-front", *cut)
    equal(verify(world, path).returncode, 0, "the chain itself")
    refused(world, path, "the beginning was cut off", world.anchor)
    refused(world, touched(world, "front", f"delete from denied where n = {gone + 1} and not {OF_EXPORTS}"),
            f"row {gone + 1} is missing")
    back = touched(world, "back", f"update denied_head set pruned_n = {gone + 1} where not {OF_EXPORTS}")
    refused(world, back, "is there, and all up to")
    touch(world, world.url_of_database, cut)
    world.start_cloud()
    wait_for(lambda: "somebody cut them off" in world.cloud.log(100000), "the error in the log", 30)
    equal(rows_of_anchor(world, "pruned"), gone, "what was pruned by the rule")
    rows = world.console.must("GET", CLOUD + "/audit/denied?limit=200").json()["items"]
    equal([(row["n"], row["who"], row["tenant"]) for row in rows if row["what"] == "keystore.export"],
          [(n, "user:Administrator", world.subaccount) for n in range(EXPORTS, 0, -1)], "the exports, all of them")
    times = [row["at"] for row in rows]
    equal(times, sorted(times, reverse=True), "all kinds in one order")


def case_new_anchor(world):
    """an anchor that was moved away, as the manual has it: the new one knows what is gone, and the rule goes on"""
    world.cloud.stop()
    before = rows_of_anchor(world, "denied")
    for name in ("anchor", "anchor.key"):
        os.rename(os.path.join(os.path.dirname(world.anchor), name), os.path.join(world.sub("moved"), name))
    world.start_cloud()
    rule = "rows are gone, by the retention's rule, as the anchor says"
    wait_for(lambda: rule in verify(world, world.url_of_database, world.anchor).stdout, "the new anchor", 30)
    gone = rows_of_anchor(world, "pruned")
    expect(0 < gone < before, f"{gone} of {before} rows are gone")
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    for _ in range(KEPT):
        equal(owner.call("GET", f"{CLOUD}/users").status, 403, "a denied request")
    wait_for(lambda: rows_of_anchor(world, "denied") >= before + KEPT, "the anchor of all of them", 30)
    world.cloud.stop()
    world.start_cloud()
    wait_for(lambda: rows_of_anchor(world, "pruned") > gone, "the pruning", 30)
    wait_for(lambda: rule in verify(world, world.url_of_database, world.anchor).stdout, "the pruned log", 30)


def case_killed_while_pruning(world):
    """killed at each point of a pruning, the next start does the rest, and the anchor agrees with it"""
    # Behind the last one nothing is left to do: no word of the next start's look, which would take rows added now.
    points = ["prune.anchored", "prune.moved", "prune.gone"]
    equal(points_in_source("prune"), set(points), "named points of the source")
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    for point in points:
        before = rows_of_anchor(world, "denied")
        for _ in range(KEPT):
            equal(owner.call("GET", f"{CLOUD}/users").status, 403, "a denied request")
        wait_for(lambda: rows_of_anchor(world, "denied") >= before + KEPT, "the anchor of all of them", 30)
        world.cloud.stop()
        arm(world, point)
        world.start_cloud()
        wait_for(lambda: died(world, point, 0), f"{point}", 30)
        wait_for(lambda: world.console.call("GET", "/readyz").status == 200, "the cloud side again", 60)

        def pruned():
            done = verify(world, world.url_of_database, world.anchor)
            equal(done.returncode, 0, f"{point}: {done.stderr}")
            gone = rows_of_anchor(world, "denied") - KEPT
            return f"the first {gone} rows are gone, by the retention's rule, as the anchor says" in done.stdout
        wait_for(pruned, f"the rest of the pruning after {point}", 30)


def rows_of_anchor(world, kind):
    """The last number of that kind of chain. A last line without its end is still being written."""
    with open(world.anchor, encoding="utf-8") as f:
        words = [line.split(" ") for line in f.read().split("\n")[1:-1]]
    return max([int(w[2]) for w in words if w[1].split(":")[0] == kind], default=0)
