"""The command line on both programs, as an administrator uses it."""
import json
import os
import secrets
import subprocess

from stage import equal, expect, free_ports, wait_for
from world import ADMIN, Installation, setup_code


def run(world, *words, password=None, port=None, status=0, text=None, output=None):
    env = dict(os.environ, DRAWBRIDGE_PASSWORD=password or world.cloud_password)
    where = f"https://localhost:{port or world.ports.console}"
    ca = world.first_ca(port or world.ports.console)
    command = [world.binary("drawbridge"), *words, "--url", where, "--ca-file", ca]
    if output:
        command += ["--output", output]
    done = subprocess.run(command, env=env, capture_output=True, text=True, input=text or "", timeout=120)
    expect(done.returncode == status, f"{' '.join(words)}: status {done.returncode}, said "
           f"{done.stdout[-500:]} {done.stderr[-500:]}")
    return done.stdout + done.stderr if status else done.stdout


def case_help(world):
    """--help works everywhere, and a wrong word is a usage error that names it"""
    for words in ((), ("subaccount",), ("subaccount", "add"), ("cloud", "cert", "revoke")):
        done = subprocess.run([world.binary("drawbridge"), *words, "--help"], capture_output=True, text=True)
        equal(done.returncode, 0, f"{words} --help")
        expect("usage" in done.stdout.lower(), f"{words}: {done.stdout[:100]}")
    done = subprocess.run([world.binary("drawbridge"), "subacount"], capture_output=True, text=True)
    equal(done.returncode, 2, "a mistyped command")
    expect("subacount" in done.stderr, f"said {done.stderr}")


def case_versions(world):
    """all four programs know --help and --version, the key process too; a word that is no option is refused"""
    said = {}
    for name in ("drawbridge", "drawbridge-cloud", "drawbridge-connector", "drawbridge-keyd"):
        for word in ("--version", "--help"):
            done = subprocess.run([world.binary(name), word], capture_output=True, text=True, timeout=60)
            equal((done.returncode, done.stderr), (0, ""), f"{name} {word}")
            said[name, word] = done.stdout
        expect(said[name, "--help"].startswith("usage: " + name), f"{said[name, '--help'][:100]}")
        expect("--version" in said[name, "--help"], f"{name} --help: no word of --version")
        equal(said[name, "--version"], said["drawbridge", "--version"].replace("drawbridge", name, 1), name)
        done = subprocess.run([world.binary(name), "--release"], capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stdout), (2, ""), f"{name} --release")
        expect("release" in done.stderr, f"{name} --release: {done.stderr}")


def case_lists(world):
    """lists come as text and as JSON"""
    text = run(world, "cloud", "subaccount", "list")
    expect(world.subaccount in text and "Plant North" in text, f"said {text}")
    rows = json.loads(run(world, "cloud", "subaccount", "list", output="json"))
    expect(world.subaccount in json.dumps(rows), f"said {rows}")
    text = run(world, "subaccount", "list", port=world.ports.admin, password=world.first.password)
    expect(world.subaccount in text, f"said {text}")


def case_wrong_password(world):
    """a wrong password is refused with status 1 and a reason"""
    said = run(world, "cloud", "subaccount", "list", password="wrong", status=1)
    expect("401" in said or "password" in said.lower(), f"said {said}")


def case_untrusted_server(world):
    """a server that is not trusted gets no password; the message says what to do"""
    done = subprocess.run([world.binary("drawbridge"), "cloud", "subaccount", "list", "--url",
                           f"https://localhost:{world.ports.console}"], capture_output=True, text=True,
                          env=dict(os.environ, DRAWBRIDGE_PASSWORD="x"), timeout=60)
    equal(done.returncode, 1, "status")
    expect("ca-file" in done.stderr or "root-pin" in done.stderr, f"said {done.stderr}")
    done = subprocess.run([world.binary("drawbridge"), "cloud", "version", "--url",
                           f"https://localhost:{world.ports.proxy}"], capture_output=True, text=True,
                          env=dict(os.environ, DRAWBRIDGE_PASSWORD="x"), timeout=60)
    equal(done.returncode, 1, "status of a listener without TLS")
    expect("speaks no TLS" in done.stderr, f"said {done.stderr}")
    done = subprocess.run([world.binary("drawbridge"), "cloud", "version", "--ca-file", "/etc/passwd"],
                          capture_output=True, text=True, env=dict(os.environ, DRAWBRIDGE_PASSWORD="x"), timeout=60)
    equal(done.returncode, 2, "status of a file without certificates")
    expect("no certificate" in done.stderr, f"said {done.stderr}")


def case_whole_story(world):
    """a connector is set up, enrolled, given a mapping and used by commands alone"""
    other = Installation(world, "bycli", free_ports(1)[0], "bycli")
    other.start()
    try:
        code = setup_code(other.state_dir)
        new = "Cli-" + secrets.token_urlsafe(9)
        secret = os.path.join(world.folder, "new-password")
        with open(secret, "w") as f:
            f.write(new)
        run(world, "connector", "setup", "--new-password-file", secret, port=other.port, password=code)
        data = json.loads(run(world, "cloud", "auth-data", world.subaccount, output="json"))
        data_file = os.path.join(world.folder, "authentication-data")
        with open(data_file, "w") as f:
            f.write(data["authenticationData"])
        run(world, "subaccount", "add", "--authentication-data-file", data_file, "--location-id", "bycli",
            port=other.port, password=new)
        other.admin.password = new
        wait_for(other.connected, "the tunnel")
        run(world, "mapping", "add", world.subaccount, "cli.virtual:80",
            f"127.0.0.1:{world.ports.backend}", "--protocol", "HTTP", "--backend-type", "nonSAPsys",
            "--authentication-mode", "NONE", port=other.port, password=new)
        run(world, "resource", "add", world.subaccount, "cli.virtual:80", "/public", "--enabled",
            port=other.port, password=new)
        answer = world.client(location="bycli").get("http://cli.virtual:80/public/hello.txt")
        equal(answer.status, 200, f"saw {answer}")
        run(world, "subaccount", "disconnect", world.subaccount, port=other.port, password=new)
        client = world.client(location="bycli")
        wait_for(lambda: client.get("http://cli.virtual:80/public/hello.txt").status == 503,
                 "the cloud side hearing of the disconnect")
    finally:
        other.end()


def connector(world, *words, **more):
    return run(world, *words, port=world.ports.admin, password=world.first.password, **more)


def data(text):
    return json.loads(text)


def case_connector_commands(world):
    """every command for the connector does what it says, as text and as JSON"""
    sa, virtual = world.subaccount, "each.virtual:81"
    inside = f"127.0.0.1:{world.ports.backend}"
    expect("master" in connector(world, "connector", "status"), "no role")
    expect("version" in data(connector(world, "connector", "version", output="json")), "no version")
    connector(world, "connector", "proxy", "set", "127.0.0.1:9")
    equal(data(connector(world, "connector", "proxy", "show", output="json"))["port"], "9", "proxy")
    connector(world, "connector", "proxy", "delete")
    equal(data(connector(world, "connector", "proxy", "show", output="json")), {}, "no proxy")
    equal(data(connector(world, "subaccount", "list", output="json"))[0]["subaccount"], sa, "list")
    expect("tunnel.state" in connector(world, "subaccount", "show", sa), "show")
    connector(world, "subaccount", "change", f"{sa}@{world.region}", "--description", "by cli")
    equal(data(connector(world, "subaccount", "show", sa, output="json"))["description"], "by cli", "change")
    connector(world, "subaccount", "retry", sa)
    wait_for(lambda: data(connector(world, "subaccount", "tunnels", output="json"))[0]["state"] == "Connected",
             "the tunnel")
    connector(world, "mapping", "add", sa, virtual, inside)
    seen = data(connector(world, "mapping", "show", sa, virtual, output="json"))
    equal((seen["protocol"], seen["backendType"], seen["authenticationMode"]), ("HTTP", "nonSAPsys", "NONE"),
          "what is usual")
    connector(world, "mapping", "replace", sa, virtual, inside, "--host-in-header", "INTERNAL")
    expect("INTERNAL" in connector(world, "mapping", "list", sa), "list of mappings")
    connector(world, "mapping", "matching", sa, virtual, "prefix")
    connector(world, "resource", "add", sa, virtual, "/public")
    row = data(connector(world, "resource", "list", sa, virtual, output="json"))[0]
    equal((row["enabled"], row["exactMatchOnly"]), (True, False), "what is usual")
    equal(world.client().get("http://each.virtual:81/public/hello.txt").status, 200, "exposed")
    connector(world, "resource", "replace", sa, virtual, "/public", "--enabled=off")
    equal(world.client().get("http://each.virtual:81/public/hello.txt").status, 403, "suspended")
    connector(world, "resource", "delete", sa, virtual, "/public")
    connector(world, "mapping", "delete", sa, virtual)
    connector(world, "domain", "add", sa, "intern.example", "virtual.example")
    expect("virtual.example" in connector(world, "domain", "list", sa), "domains")
    connector(world, "domain", "delete", sa, "intern.example")
    connector(world, "trust", "add", world.first_ca(world.ports.console))
    alias = data(connector(world, "trust", "list", output="json"))[0]["alias"]
    expect(alias in connector(world, "trust", "list"), "trust as text")
    for row in data(connector(world, "trust", "list", output="json")):
        connector(world, "trust", "delete", row["alias"])
    owner = os.path.join(world.folder, "owner-password")
    with open(owner, "w") as f:
        f.write(world.owner_password + "\n")
    before = world.certificate()["serialNumber"]
    connector(world, "subaccount", "refresh-certificate", sa, "--cloud-user", world.owner,
              "--cloud-password-file", owner)
    wait_for(lambda: world.certificate()["serialNumber"] != before, "another certificate")
    connector(world, "subaccount", "disconnect", sa)
    connector(world, "subaccount", "connect", sa)
    wait_for(world.first.connected, "the tunnel again")


def case_cloud_commands(world):
    """every command for the cloud side does what it says, as text and as JSON"""
    password = os.path.join(world.folder, "user-password")
    with open(password, "w") as f:
        f.write("Carla-" + secrets.token_urlsafe(9))
    name = "carla@plant.example"
    expect("version" in data(run(world, "cloud", "version", output="json")), "version")
    expect("rootPin" in data(run(world, "cloud", "ca", output="json")), "CA")
    run(world, "cloud", "user", "create", name, "--user-password-file", password, "--roles", "display")
    equal(data(run(world, "cloud", "user", "show", name, output="json"))["roles"], ["display"], "roles")
    run(world, "cloud", "user", "change", name, "--display-name", "Carla", "--locked")
    expect("Carla" in run(world, "cloud", "user", "list"), "users")
    run(world, "cloud", "user", "change", name, "--locked=off")
    with open(password, "w") as f:
        f.write("Carla-" + secrets.token_urlsafe(9))  # the same again would be refused
    run(world, "cloud", "user", "password", name, "--user-password-file", password)
    with open(password) as f:
        given = f.read()
    with open(password, "w") as f:
        f.write("Carla-" + secrets.token_urlsafe(9))
    said = run(world, "--login", name, "cloud", "user", "list", password=given, status=1)
    expect("drawbridge cloud user password NAME" in said, f"said {said}")
    run(world, "--login", name, "cloud", "user", "password", name, "--user-password-file", password, password=given)
    made = data(run(world, "cloud", "subaccount", "create", "Plant C", world.owner, output="json"))["id"]
    run(world, "cloud", "subaccount", "change", made, "--description", "third")
    equal(data(run(world, "cloud", "subaccount", "show", made, output="json"))["description"], "third", "change")
    run(world, "cloud", "owner", "add", made, name)
    expect(name in run(world, "cloud", "owner", "list", made), "owners")
    run(world, "cloud", "owner", "remove", made, name)
    run(world, "cloud", "service-key", "create", made, "--name", "nightly")
    expect("nightly" in run(world, "cloud", "service-key", "list", made), "keys")
    run(world, "cloud", "service-key", "delete", made, "nightly")
    expect("nightly" not in run(world, "cloud", "service-key", "list", made), "a deleted key")
    run(world, "cloud", "auth-data", made)
    run(world, "cloud", "subaccount", "delete", made)
    run(world, "cloud", "user", "delete", name)
    expect("user.delete" in run(world, "cloud", "audit"), "audit")
    equal(len(data(run(world, "cloud", "audit", "--limit", "1", output="json"))), 1, "limit")
    run(world, "cloud", "audit", "--limit", "0", status=2)
    expect("entries: 0" in run(world, "keystore", "status", world.subaccount), "the keystore's head")
    for words in (("keystore", "trust-inbound", made, "alias"), ("keystore", "require-certificate", made)):
        expect("needs" in run(world, *words, status=2), "a switch that must be said")
    said = run(world, "subaccount", "list", status=1)
    expect("the address of a connector?" in said, f"said {said}")
    mine = next(row for row in data(run(world, "cloud", "connector", "list", world.subaccount, output="json"))
                if row["connected"])["instance"]
    run(world, "cloud", "connector", "disconnect", world.subaccount, mine)
    wait_for(lambda: world.state() != "Connected", "the cut")
    run(world, "cloud", "connector", "connect", world.subaccount, mine)
    wait_for(lambda: world.state() == "Connected", "coming back", 60)
    rows = data(run(world, "cloud", "cert", "list", world.subaccount, output="json"))
    run(world, "cloud", "cert", "revoke", world.subaccount, rows[0]["serialNumber"])


def case_refusals(world):
    """what is wrong is said: usage is status 2, a refusal of the server status 1 with its reason"""
    for words, status, part in (
            (("mapping", "add", world.subaccount, "v"), 2, "INTERNAL"),
            (("mapping", "add", world.subaccount, "v", "i:1"), 2, "host:port"),
            (("mapping", "add", world.subaccount, "v:1", "i:1", "--protocol", "FTP"), 1, "FTP"),
            (("mapping", "show", world.subaccount, "no.virtual:1"), 1, "no.virtual"),
            (("mapping", "list", "nobody"), 1, "nobody"),
            (("resource", "add", world.subaccount, world.virtual, "no-slash"), 1, "id"),
            (("resource", "add", world.subaccount, world.virtual, "/x", "--enabled=perhaps"), 2, "on or off"),
            (("trust", "add", "/dev/null"), 2, "empty"),
            (("trust", "add", "/etc/passwd"), 1, "certificate"),
            (("trust", "add", "/nowhere"), 2, "/nowhere"),
            (("trust", "delete", "none"), 1, "none"),
            (("connector", "proxy", "set", "a b:1"), 1, "host"),
            (("subaccount", "add", "--output", "xml"), 2, "json"),
            (("subaccount", "add"), 2, "--authentication-data-file"),
            (("subaccount", "list", "-x"), 2, "no option -x"),
            (("subaccount", "show", "a", "b"), 2, "too many"),
            (("subaccount", "list", "--timeout", "soon"), 2, "timeout")):
        said = connector(world, *words, status=status)
        expect(part in said, f"{' '.join(words)}: said {said!r}, without {part!r}")
    said = run(world, "cloud", "owner", "remove", world.subaccount, world.owner, status=1)
    expect("owner" in said, f"said {said}")
    said = run(world, "cloud", "subaccount", "show", "nonsense", status=1)
    expect("404" in said, f"said {said}")
