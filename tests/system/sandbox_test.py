"""What the processes may do, seen from outside: /proc, modes of files, and logs without secrets."""
import os
import pwd
import re
import resource
import shutil
import signal
import stat
import subprocess

from crash import lives
from stage import ProxyClient, equal, expect, free_ports, wait_for
from world import CLOUD, SANITIZER, setup_code

PROGRAMS = ("cloud", "connector")
NOBODY = "nobody"


def scene(world):
    """As usual, with everything in the logs, and with each secret kept for the last look."""
    world.options = {"cloud": ["--log-level", "debug"], "connector": ["--log-level", "debug"]}
    world.secrets = {}
    world.start_backend()
    world.start_cloud()
    world.secrets["setup code of the cloud side"] = setup_code(world.sub("cloud"))
    world.first_start_of_cloud()
    world.create_owner_and_subaccount()
    world.create_service_key()
    world.first.start()
    world.secrets["setup code of the connector"] = setup_code(world.sub("connector"))
    world.first.first_start()
    data = world.authentication_data()
    world.secrets["authentication data"] = data
    equal(world.first.add_subaccount(data=data).status, 201, "enrolment")
    world.map(world.virtual, f"127.0.0.1:{world.ports.backend}", "/public")
    wait_for(world.first.connected, "the tunnel", 60)


def processes(world):
    """name, pid of the servers and key processes."""
    for name in PROGRAMS:
        program = getattr(world, name)
        yield f"{name}'s server", world.server_pid(name)
        for pid in program.named("drawbridge-keyd"):
            yield f"{name}'s keyd", pid


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def case_filters(world):
    """servers and keyd run with NoNewPrivs and a seccomp filter, in every thread"""
    seen = 0
    for name, pid in processes(world):
        for thread in os.listdir(f"/proc/{pid}/task"):
            rows = status(f"{pid}/task/{thread}")
            equal((rows["NoNewPrivs"], rows["Seccomp"]), ("1", "2"), f"{name}: NoNewPrivs, Seccomp")
        seen += 1
    equal(seen, 6, "processes looked at: of each program the server, keyd and the child that opens uploads")


def case_not_dumpable(world):
    """servers, keyd and monitors dump no core and their memory is nobody's to read"""
    for name in PROGRAMS:
        for pid in getattr(world, name).family():
            with open(f"/proc/{pid}/limits") as f:
                limit = next(line for line in f if line.startswith("Max core file size"))
            expect(re.search(r"size\s+0\s+0\s", limit), f"{name} {pid}: {limit}")


def case_not_dumpable_same_user(world):
    """a process of the same user can neither read keyd's and the server's memory nor trace them"""
    user = pwd.getpwnam(NOBODY)
    folder = world.sub("unprivileged")
    os.chown(folder, user.pw_uid, user.pw_gid)
    ports = free_ports(1)

    def become():
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    programs = os.path.join(folder, "bin")
    shutil.copytree(os.path.join(world.build, "src", "programs"), programs, ignore=lambda where, names: [
        n for n in names if n not in ("drawbridge-connector", "drawbridge-keyd")])
    command = [os.path.join(programs, "drawbridge-connector"), "--state-dir", folder + "/state",
               "--master-key-file", folder + "/key", "--listen-admin", f"127.0.0.1:{ports[0]}", "--workers", "1"]
    from stage import Program
    program = Program("connector-unprivileged", command, folder, env=SANITIZER, preexec=become)
    program.log_path = os.path.join(world.folder, "unprivileged.log")
    program.start()
    try:
        wait_for(lambda: " ready" in program.log() or not program.running(), "the start")
        expect(program.running(), program.log())
        family = program.family()
        equal(len(family), 4, "processes: monitor, server, keyd and its child")
        # The same look at a process that is dumpable must succeed, or it would say nothing.
        probe = subprocess.Popen(["sleep", "60"], preexec_fn=become)
        script = ("import sys\nfor pid in sys.argv[1:]:\n"
                  "  try:\n    open(f'/proc/{pid}/mem','rb'); print('open', pid)\n"
                  "  except PermissionError: print('refused', pid)\n")
        words = subprocess.run(["/usr/bin/python3", "-c", script, str(probe.pid), *map(str, family)],
                               capture_output=True, text=True, preexec_fn=become, check=True).stdout.split()
        probe.kill()
        probe.wait()
        equal(words, ["open", str(probe.pid)] + [w for pid in family for w in ("refused", str(pid))], "memory")
        for pid in family:
            equal(os.stat(f"/proc/{pid}/mem").st_uid, 0, f"the owner of /proc/{pid}/mem")
    finally:
        equal(program.stop(), 0, "exit status")


def case_server_drops_root(world):
    """a server started as root becomes the user named by the setting; a user that does not exist is refused"""
    from stage import Program
    state, port = os.path.join(world.folder, "dropped"), free_ports(1)[0]
    command = [world.binary("drawbridge-connector"), "--state-dir", state, "--workers", "1", "--listen-admin",
               f"127.0.0.1:{port}", "--master-key-file", os.path.join(world.sub("dropped-key"), "master.key")]

    def run(user):
        program = Program("dropped", command + (["--user", user] if user else []), world.folder, env=SANITIZER)
        open(program.log_path, "w").close()
        program.start()
        wait_for(lambda: " ready" in program.log() or not program.running(), "an end or a start")
        return program
    first = run(None)  # files of root, from before the setting was made
    equal(first.stop(), 0, "exit status")
    program = run(NOBODY)
    try:
        expect(program.running(), program.log())
        keyd = program.named("drawbridge-keyd")
        server = next(pid for pid in program.family()[1:] if pid not in keyd)
        uid = str(pwd.getpwnam(NOBODY).pw_uid)
        for thread in os.listdir(f"/proc/{server}/task"):
            rows = status(f"{server}/task/{thread}")
            equal(rows["Uid"].split(), [uid] * 4, "user ids of the server")
            expect(str(rows["Groups"]).split() in ([], [str(pwd.getpwnam(NOBODY).pw_gid)]), f"groups: {rows['Groups']}")
            equal(int(rows["CapEff"], 16), 0, "capabilities")
        os.kill(program.pid, signal.SIGKILL)  # the monitor: its server must not outlive it
        wait_for(lambda: not lives(server), "the server's end")
        program.process.wait()
        program = run(NOBODY)
        expect(program.running(), program.log())
    finally:
        equal(program.stop(), 0, "exit status")
    refused = run("no-such-user")
    equal(refused.process.wait(30), 2, "exit status")
    expect("no-such-user" in refused.log() and "useradd" in refused.log(), refused.log())


def case_keyd_has_no_network(world):
    """keyd holds no socket but its pairs with the server, and listens nowhere"""
    networks = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
        with open("/proc/net/" + table) as f:
            lines = f.read().splitlines()[1:]
        for line in lines:
            fields = line.split()
            networks.add(fields[8] if table == "packet" else fields[9])
    for name, pid in processes(world):
        held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        inodes = {link[8:-1] for link in held if link.startswith("socket:[")}
        expect(inodes, f"{name} holds no socket at all: {held}")
        if "keyd" in name:
            expect(not inodes & networks, f"{name} holds a network socket")
            files = [link for link in held if link.startswith("/") and not link.startswith(("/dev/null",))]
            expect(all("/keyd/" in f or f.endswith("/keyd") or f.endswith(".log") or f.endswith("master.key") for f in files),
                   f"{name} holds {files}")
        else:
            expect(inodes & networks, f"{name} holds no network socket: this case sees nothing")
            expect(not any("master.key" in link for link in held), f"{name} holds the master key: {held}")


def case_keyd_environment(world):
    """keyd and the servers carry no secret in their environment or command line"""
    keys = master_keys(world)
    for name, pid in processes(world):
        for part in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{part}", "rb") as f:
                data = f.read()
            expect(data or part == "environ", f"{name}: no {part}")
            for key in keys:
                expect(key.encode() not in data, f"a master key is in {part} of {name}")


def master_keys(world):
    out = []
    for name in PROGRAMS:
        with open(os.path.join(world.folder, name + "-key", "master.key")) as f:
            out.append(f.read().strip())
    return out


def case_modes(world):
    """state folders are 0700, their files 0600 or tighter, master keys and setup codes 0400"""
    for name in PROGRAMS:
        state = os.path.join(world.folder, name + "-fresh")
        check_modes(world, name, state)


def check_modes(world, name, state):
    from stage import Program
    key = os.path.join(world.sub(name + "-fresh-key"), "master.key")
    ports = free_ports(4)
    words = {"cloud": ["--listen-tls", "off", "--listen-console", f"127.0.0.1:{ports[0]}",
                       "--listen-tunnel", f"127.0.0.1:{ports[1]}",
                       "--listen-proxy", f"127.0.0.1:{ports[2]}", "--listen-metrics", f"127.0.0.1:{ports[3]}"],
             "connector": ["--listen-admin", f"127.0.0.1:{ports[0]}"]}[name]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def loosen():
        """The loosest umask, and as few files as many systems give: the programs must see to both themselves."""
        os.umask(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, files))
    program = Program(name + "-fresh", [world.binary("drawbridge-" + name), "--state-dir", state,
                                        "--master-key-file", key, "--workers", "1", *words], world.folder,
                      env=SANITIZER, preexec=loosen)
    program.start()
    try:
        wait_for(lambda: " ready" in program.log(), name + " ready")
        server = [pid for pid in program.family()[1:] if pid not in program.named("drawbridge-keyd")][0]
        equal(resource.prlimit(server, resource.RLIMIT_NOFILE)[0], files, f"{name}: open files of the server")
        found = {}
        for path, folders, names in os.walk(state):
            for entry in [path] + [os.path.join(path, f) for f in folders + names]:
                found[os.path.relpath(entry, state)] = stat.S_IMODE(os.stat(entry).st_mode)
        for entry, mode in found.items():
            wanted = 0o700 if os.path.isdir(os.path.join(state, entry)) else 0o600
            expect(mode & ~wanted == 0, f"{name}: {entry} has mode {mode:04o}")
        equal(found["."], 0o700, f"{name}: the state folder")
        equal(found["setup-code"], 0o400, f"{name}: the setup code")
        equal(stat.S_IMODE(os.stat(key).st_mode), 0o400, f"{name}: the master key")
        expect(name + ".db" in found and "keyd" in found, f"not all was looked at: {sorted(found)}")
    finally:
        equal(program.stop(), 0, "exit status")


def case_no_secret_in_logs(world):
    """no log, at level debug, holds a setup code, password, client secret, token or master key"""
    secrets = dict(world.secrets)
    secrets["token"] = world.token()
    secrets["client secret"] = world.key["clientsecret"]
    secrets["Administrator's password"] = world.cloud_password
    secrets["the connector's password"] = world.connector_password
    secrets["the owner's password"] = world.owner_password
    for i, key in enumerate(master_keys(world)):
        secrets[f"master key {i}"] = key
    # Use each where it could be told: refused tokens, wrong passwords, an enrolment by password, restarts.
    ProxyClient(world.ports.proxy, secrets["token"]).get(world.url("/public/hello.txt"))
    ProxyClient(world.ports.proxy, secrets["token"] + "x").get(world.url("/public/hello.txt"))
    secrets["a wrong client secret"] = "Wrong-" + "s3cret" * 4
    world.token_answer(dict(world.key, clientsecret=secrets["a wrong client secret"]))
    secrets["a wrong password"] = "Wrong-" + "passw0rd" * 3
    world.first.add_subaccount(user=world.owner, password=secrets["a wrong password"])
    world.admin.must("DELETE", world.subaccount_path())
    equal(world.first.add_subaccount(user=world.owner, password=world.owner_password).status, 201, "enrolment")
    for name in PROGRAMS:
        getattr(world, name).kill_named("drawbridge-keyd")
        equal(getattr(world, name).stop(), 0, "exit status")
    world.start_cloud()
    world.start_connector()
    wait_for(world.first.connected, "the tunnel", 60)
    looked = 0
    for program in world.programs:
        with open(program.log_path, errors="replace") as f:
            text = f.read()
        looked += program.name in PROGRAMS and "debug" in text
        for what, secret in secrets.items():
            expect(secret not in text, f"{what} is in the log of {program.name}")
    equal(looked, len(PROGRAMS), "logs with lines of level debug")
    expect(world.console.must("GET", f"{CLOUD}/audit").json()["items"], "no audit")
    audit = world.console.must("GET", f"{CLOUD}/audit?limit=1000").text
    for what, secret in secrets.items():
        expect(secret not in audit, f"{what} is in the audit log")
