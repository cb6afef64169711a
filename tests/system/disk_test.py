"""Disks that are full, read-only or corrupt: a clear error with the next step, nothing lost."""
import contextlib
import io
import json
import os
import secrets
import shutil
import subprocess
import zipfile

from stage import equal, expect, wait_for


@contextlib.contextmanager
def full(folder):
    """Fills a small tmpfs that carries the folder, and empties it again."""
    filler = os.path.join(folder, "filler")
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as f:
        while True:
            f.write(b"x" * 4096)
    try:
        yield
    finally:
        os.unlink(filler)


def scene(world):
    if os.getuid() != 0:
        raise RuntimeError("this test mounts a tmpfs and needs root")
    for name in ("cloud", "connector"):
        path = world.sub(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
        world.at_close.append(lambda path=path: subprocess.run(["umount", "-l", path], check=True))
    world.bring_up()


def case_connector_disk_full(world):
    """a full disk of the connector refuses changes with the reason, and requests go on"""
    with full(os.path.join(world.folder, "connector")):
        # Several: the database's log may still have room of its own for the first.
        for i in range(50):
            answer = world.admin.call("POST", world.subaccount_path("/systemMappings"), {
                "virtualHost": f"full{i}.virtual", "virtualPort": "80", "localHost": "127.0.0.1",
                "localPort": "80", "protocol": "HTTP", "backendType": "nonSAPsys",
                "authenticationMode": "NONE", "description": "x" * 4000})
            if answer.status != 201:
                break
        expect(answer.status in (500, 503, 507), f"saw {answer}")
        expect("full" in answer.text.lower() or "disk" in answer.text.lower(), f"no reason: {answer}")
        equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request meanwhile")
    world.map("room.virtual:80", "127.0.0.1:80", "/")


def case_import_on_a_full_disk(world):
    """an import that the disk has no room for changes nothing, and works when there is room"""
    out = io.BytesIO()
    rows = [{"virtualHost": f"imported{i}", "virtualPort": "80", "localHost": "127.0.0.1", "localPort": "80",
             "protocol": "HTTP", "backendType": "nonSAPsys", "description": secrets.token_hex(1500)}
            for i in range(100)]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("drawbridge.json", '{"format":"drawbridge-subaccount","version":1}')
        z.writestr("systemMappings.json", json.dumps(rows))

    def send():
        path = f"/api/drawbridge/v1/subaccounts/{world.region}/{world.subaccount}/configuration"
        return world.admin.call("POST", path, out.getvalue(), headers={"Content-Type": "application/zip"})

    def mappings():
        return world.admin.must("GET", world.subaccount_path("/systemMappings")).json()
    before = mappings()
    with full(os.path.join(world.folder, "connector")):
        answer = send()
        expect(answer.status in (500, 503, 507), f"saw {answer}")
        equal(mappings(), before, "the mappings meanwhile")
        equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request meanwhile")
    equal(send().status, 200, "with room")
    equal(len(mappings()), len(before) + 100, "the mappings afterwards")


def case_cloud_disk_full(world):
    """a full disk of the cloud side refuses changes with the reason, and requests go on"""
    with full(os.path.join(world.folder, "cloud")):
        answer = world.create_subaccount("another " + "x" * 100, tries=200)
        expect(answer.status in (500, 503, 507), f"saw {answer}")
        equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request meanwhile")
    expect(world.create_subaccount("after").status == 201, "a change after there is room again")


def case_restart_on_full_disk(world):
    """a daemon that starts on a full disk says so, or serves what it has"""
    for name in ("connector", "cloud"):
        program = getattr(world, name)
        with full(os.path.join(world.folder, name)):
            program.stop()
            wait_for(lambda: name == "connector" or world.state() != "Connected", "the tunnel's loss being seen")
            mark = len(program.log(100000))
            program.start()
            wait_for(lambda: "full" in program.log(100000)[mark:].lower() or world.state() == "Connected",
                     "a word about the disk, or service")
            program.stop()
        getattr(world, "start_" + name)()
    wait_for(lambda: world.state() == "Connected", "service after there is room again")


def case_corrupt_state(world):
    """a corrupt state file is named with the next step, and is not overwritten"""
    for name in ("connector", "cloud"):
        program = getattr(world, name)
        program.stop()
        path = world.state_file(name)
        shutil.copy(path, path + ".good")
        for end in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + end)
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            f.write(b"this is no database" * 100)
        program.start()
        status = program.process.wait(60)
        expect(status != 0, f"{name} ended with 0")
        expect(path in program.log(), f"the file is not named: {program.log()}")
        expect("is damaged" in program.log() and "backup" in program.log(), "no next step")
        expect(os.path.getsize(path) == size, "the corrupt file was touched")
        os.replace(path + ".good", path)
    world.start_cloud()
    world.start_connector()
    wait_for(lambda: world.state() == "Connected", "service with the good files")
