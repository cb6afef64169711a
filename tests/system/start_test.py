"""Starts that must fail: each with a clear error that names the next step, status 2, nothing overwritten."""
import os
import socket
import subprocess

from stage import Program, equal, expect, free_ports, wait_for
from world import SANITIZER

PROGRAMS = ("cloud", "connector")


class Place:
    """A daemon that serves nobody yet: folders and ports of its own."""
    made = 0

    def __init__(self, world, kind):
        Place.made += 1
        self.world, self.kind = world, kind
        self.folder = world.sub(f"start-{kind}-{Place.made}")
        self.state, self.key_folder = (os.path.join(self.folder, name) for name in ("state", "key"))
        os.mkdir(self.key_folder)
        self.key = os.path.join(self.key_folder, "master.key")
        names = ("console", "tunnel", "proxy", "tls", "metrics") if kind == "cloud" else ("admin", "metrics")
        self.ports = dict(zip(names, free_ports(len(names))))

    def settings(self):
        rows = {"state-dir": self.state, "master-key-file": self.key, "workers": "1"}
        rows.update({"listen-" + name: f"127.0.0.1:{port}" for name, port in self.ports.items()})
        return rows

    def program(self, *more, **changed):
        rows = self.settings()
        rows.update({name.replace("_", "-"): value for name, value in changed.items()})
        words = [f"--{name}={value}" for name, value in rows.items()]
        return Program(f"start-{self.kind}-{Place.made}",
                       [self.world.binary("drawbridge-" + self.kind), *words, *more], self.folder, env=SANITIZER)

    def ready(self):
        """Starts it, waits until it serves, and stops it: state and key are there then."""
        program = self.program().start()
        wait_for(lambda: " ready" in program.log() or not program.running(), f"{self.kind} ready")
        expect(" ready" in program.log(), f"{self.kind} ended: {program.log()}")
        equal(program.stop(), 0, "exit status")

    def files(self):
        out = {}
        for folder in (self.state, self.key_folder):
            for path, _, names in os.walk(folder):
                for name in names:
                    with open(os.path.join(path, name), "rb") as f:
                        out[os.path.join(path, name)] = f.read()
        return out

    def made_nothing(self):
        expect(not os.path.exists(self.state), "the state folder was made")
        expect(not os.path.exists(self.key), "a master key was made")

    def refuses(self, program, *words, status=2):
        """It ends by itself with the status, and its log has all the words."""
        program.start()
        try:
            seen = program.process.wait(60)
        except subprocess.TimeoutExpired:
            program.stop()
            raise
        text = program.log()
        equal(seen, status, f"{self.kind}: exit status, with the log {text!r}")
        for word in words:
            expect(word in text, f"{self.kind}: {word!r} is not in {text!r}")
        return text


def scene(world):
    world.sub("start")


def case_read_only_folder(world):
    """a state folder that cannot be written is named, and the setting that moves it"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.ready()
        before = place.files()
        subprocess.run(["mount", "--bind", place.state, place.state], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", place.state], check=True)
            place.refuses(place.program(), place.state, "state.dir")
        finally:
            subprocess.run(["umount", place.state], check=True)
        equal(place.files(), before, "the files")


def case_master_key_missing(world):
    """without the master key of its state a daemon starts not, says what to put where, and makes no new key"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.ready()
        os.rename(place.key, place.key + ".away")
        before = place.files()
        place.refuses(place.program(), place.key, "missing", "copy")
        expect(not os.path.exists(place.key), "a new key was made")
        equal(place.files(), before, "the files")


def case_master_key_wrong(world):
    """with another master key a daemon starts not, says so, and changes nothing"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.ready()
        with open(place.key) as f:
            good = f.read()
        os.chmod(place.key, 0o600)
        with open(place.key, "w") as f:
            f.write("ab" * 32 + "\n")
        os.chmod(place.key, 0o400)
        before = place.files()
        text = place.refuses(place.program(), "master key")
        expect(good.strip() not in text and "abab" not in text, "a master key is in the log")
        for path, data in before.items():
            if not path.endswith(("-wal", "-shm")):
                equal(place.files().get(path), data, path)


def case_master_key_broken(world):
    """a master key file that is cut off, or readable by others, is refused with the next step"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.ready()
        os.chmod(place.key, 0o644)
        place.refuses(place.program(), place.key, "chmod")
        with open(place.key, "w") as f:
            f.write("abc\n")
        os.chmod(place.key, 0o400)
        place.refuses(place.program(), "master key")
        with open(place.key) as f:
            equal(f.read(), "abc\n", "the file")


def case_master_key_in_state(world):
    """a master key inside the state folder is refused, and none is made there"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        inside = os.path.join(place.state, "master.key")
        place.refuses(place.program(master_key_file=inside), inside, "another folder")
        expect(not os.path.exists(inside), "a key was left in the state folder")


def case_port_taken(world):
    """a port that is taken is named with its address, at the first start before anything is made"""
    for kind in PROGRAMS:
        place = Place(world, kind)

        def refused(*words):
            for name, port in place.ports.items():
                with socket.socket() as other:
                    other.bind(("127.0.0.1", port))
                    other.listen()
                    place.refuses(place.program(), f"127.0.0.1:{port}", "another program does",
                                  *[word.format(name) for word in words])
        refused("listen.{}: ")
        place.made_nothing()
        place.ready()
        refused()


def case_bad_address(world):
    """an address that is none, or that this machine has not, is named with its option before anything is made"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        for name in [*place.ports, *(["tls"] if kind == "cloud" else [])]:
            for where, step in (("localhost:8443", "give an IP address and a port"),
                                ("127.0.0.1:70000", "give an IP address and a port"),
                                ("192.0.2.1:8443", "this machine does not have that address")):
                place.refuses(place.program(**{"listen_" + name: where}), f"listen.{name}: ", where, step)
        place.made_nothing()
        place.ready()
        place.refuses(place.program(listen_metrics="127.0.0.1"), "listen.metrics: ", "give an IP address and a port")


def case_bad_options(world):
    """an unknown option, a value that is none, and a stray word are refused by name"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.refuses(place.program("--no-such-thing", "1"), "no-such-thing", "--help")
        place.refuses(place.program("--drain-timeout", "30"), "drain", "30")
        place.refuses(place.program("--log-level", "loud"), "log.level")
        place.refuses(place.program("stray"), "stray")
        for name in ("log.level", "log.format", *(["role", "certificate.expired.tunnels"] if kind == "cloud" else [])):
            place.refuses(place.program(f"--{name.replace('.', '-')}="), name + ": ")
        expect(not os.path.exists(place.state), "the state folder was made")


def case_empty_values(world):
    """a setting that the program cannot do without, set to nothing, is refused by name before anything is made"""
    both = ["state.dir", "master.key.file", "alert.thresholds"]
    for kind, names in (("cloud", [*both, "region.host", "proxy.host", "keystore.reserved"]),
                        ("connector", [*both, "server.names"])):
        place = Place(world, kind)
        for name in names:
            place.refuses(place.program(**{name.replace(".", "_"): ""}), name)
        place.made_nothing()


def case_names_that_are_none(world):
    """names that no host can have are refused before anything is made"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        for names in ("localhost,a b", "a..b", "300.1.1.1", "*"):
            place.refuses(place.program(server_names=names), "server.names: ", "is no name")
        if kind == "cloud":
            for name in ("a..b", "a:1", "*.example", "127.0.0.1"):
                place.refuses(place.program(relay_host=name), "relay.host: ")
        place.made_nothing()


def case_one_address_twice(world):
    """two listeners on one address are refused with both options, also those that may share ports, at each start"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        names = list(place.ports)

        def refused():
            for one, other in zip(names, names[1:]):
                where = f"127.0.0.1:{place.ports[one]}"
                place.refuses(place.program(**{"listen_" + other: where}), where, f"listen.{one}", f"listen.{other}")
        refused()
        place.made_nothing()
        place.ready()
        refused()


def case_no_key_process(world):
    """a key process that is not there ends the daemon, with the path and the setting named"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        place.refuses(place.program("--keyd-path", "/nowhere/keyd"), "/nowhere/keyd", "keyd.path")
        expect(not os.path.exists(place.state), "the state folder was made")


def case_bad_region(world):
    """a region host that is no host and port is refused by name, also a wrong port"""
    for region in ("relay:9444:1", "relay:many", "relay:0", "relay:70000", "a..b:443", "a b:443", ":443"):
        place = Place(world, "cloud")
        place.refuses(place.program("--region-host", region), region, "region.host")
        place.made_nothing()


def case_bad_file(world):
    """a mistake in the settings file is named with file and line; a file that was named must be there"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        path = os.path.join(place.folder, "bad.conf")
        with open(path, "w") as f:
            f.write("# settings\nlog.level = info\nlog.lewel = info\n")
        place.refuses(place.program("--config", path), f"{path}:3", "log.lewel")
        with open(path, "w") as f:
            f.write("drain.timeout = soon\n")
        place.refuses(place.program("--config", path), f"{path}:1", "drain.timeout", "30s")
        place.refuses(place.program("--config", path + ".none"), path + ".none")


def case_words_of_the_start(world):
    """--help, --version and --example-config answer on stdout with status 0, and the example parses"""
    for kind in PROGRAMS:
        place = Place(world, kind)
        binary = world.binary("drawbridge-" + kind)

        def ask(word):
            done = subprocess.run([binary, word], capture_output=True, text=True, timeout=60)
            equal((done.returncode, done.stderr), (0, ""), f"{kind} {word}")
            return done.stdout
        expect(ask("--version").startswith(f"drawbridge-{kind} "), "no version")
        shown, example = ask("--help"), ask("--example-config")
        for name in list(place.settings()) + ["log-format", "drain-timeout"]:
            expect("--" + name in shown, f"--{name} is not in --help")
            expect(name.replace("-", ".") in example, f"{name} is not in the example")
        path = os.path.join(place.folder, "example.conf")
        with open(path, "w") as f:
            f.write(example)
            # and with every line that is commented out taken in
        everything = os.path.join(place.folder, "everything.conf")
        with open(everything, "w") as f:
            for line in example.splitlines():
                word = line.lstrip("#").strip()
                key = word.split("=")[0].strip()
                setting = "=" in word and " " not in key and word.split("=", 1)[1].strip()
                f.write((word if setting else line) + "\n")
        for name in (path, everything):
            program = Place(world, kind).program("--config", name).start()
            wait_for(lambda: " ready" in program.log() or not program.running(), "an end or a start")
            expect(program.running(), f"{name} is refused: {program.log()}")
            equal(program.stop(), 0, "exit status")
