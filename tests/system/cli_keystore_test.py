"""`drawbridge keystore` on a real cloud side, as a tenant's administrator and a reader use it."""
import contextlib
import json
import os
import sqlite3
import ssl
import subprocess

from stage import equal, expect
from tenant import make_certificate, make_pkcs12, openssl, scene as tenant_scene
from world import ADMIN, CLOUD


def scene(world):
    world.options["cloud"] = ["--connection-test-allow", "127.0.0.1"]
    tenant_scene(world)
    world.files = world.sub("files")
    world.root = make_certificate(world.files, "root")
    world.ca = world.first_ca(world.ports.console)
    world.console.must("POST", f"{CLOUD}/users", {"name": "rita@plant.example", "password": "Rita-password-1",
                                                  "roles": []})
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}/members/rita@plant.example",
                       {"roles": ["AuthGroup.ReadOnly"]})


def keystore(world, command, *words, status=0, output=None, login=None, **secrets):
    """drawbridge keystore `command` on the tenant: what it printed; with another status than 0 the reason too."""
    env = dict(os.environ, DRAWBRIDGE_PASSWORD="Rita-password-1" if login else world.cloud_password,
               **{"DRAWBRIDGE_" + name.upper(): value for name, value in secrets.items()})
    line = [world.binary("drawbridge"), "--url", f"https://localhost:{world.ports.console}", "--ca-file", world.ca,
            "--login", login or ADMIN, "--output", output or "text", "keystore", command, world.subaccount, *words]
    done = subprocess.run(line, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    expect(done.returncode == status, f"{command} {' '.join(words)}: status {done.returncode}, wanted {status}: "
           f"{done.stdout[-500:]} {done.stderr[-500:]}")
    return done.stdout + (done.stderr if status else "")


def aliases(world, *words):
    return sorted(row["Alias"] for row in json.loads(keystore(world, "list", *words, output="json")))


def path(world, name):
    return os.path.join(world.files, name)


def case_files_in(world):
    """PEM, PKCS#12 and lone keys are imported; what is missing or wrong is named with the option that mends it"""
    said = keystore(world, "import", path(world, "root.pem"), "--alias", "root", status=1)
    expect("--fingerprint" in said, said)
    shown = said.split("--fingerprint ")[1].split()[0]
    keystore(world, "import", path(world, "root.pem"), "--alias", "root", "--fingerprint", shown.lower())
    make_certificate(world.files, "pair")
    with open(path(world, "pair.p12"), "wb") as file:
        file.write(make_pkcs12(world.files, "pair", "pass-word-1", alias="pair"))
    said = keystore(world, "import", path(world, "pair.p12"), status=1)
    expect("--file-password-file was not given" in said, said)
    said = keystore(world, "import", path(world, "pair.p12"), status=1, file_password="other")
    expect("password is wrong" in said and "--file-password-file" not in said, said)
    expect("Key Pair" in keystore(world, "import", path(world, "pair.p12"), file_password="pass-word-1"), "a report")
    openssl("genrsa", "-out", path(world, "lone.pem"), "2048")
    expect("common name" in keystore(world, "import", path(world, "lone.pem"), "--alias", "lone", status=1), "no CN")
    keystore(world, "import", path(world, "lone.pem"), "--alias", "lone", "--common-name", "lone")
    equal(aliases(world), ["lone", "pair", "root"], "what is in")
    keystore(world, "import", path(world, "nothing.pem"), status=2)
    expect("needs FILE" in keystore(world, "import", status=2), "no file")


def case_files_out(world):
    """certificates, chains, requests and whole stores come out, of the backup too"""
    keystore(world, "backup", "--note", "for export")
    keystore(world, "delete", "pair")
    expect("\"pair\"" in keystore(world, "show", "pair", status=1), "it is gone")
    for what in ("certificate", "chain", "root"):
        expect("\"pair\"" in keystore(world, "export", "--alias", "pair", "--what", what, status=1), what)
        expect("BEGIN" in keystore(world, "export", "--alias", "pair", "--what", what, "--backup"), what)
    expect("CN=pair" in keystore(world, "show", "pair", "--backup"), "shown")
    equal((aliases(world), aliases(world, "--backup")), (["lone", "root"], ["lone", "pair", "root"]), "both lists")
    for more in ((), ("--backup",)):
        keystore(world, "export", "--to", path(world, "all.jks"), *more)
        listed = subprocess.run(["keytool", "-list", "-storetype", "JCEKS", "-keystore", path(world, "all.jks"),
                                 "-storepass", ""], capture_output=True, text=True, input="\n")
        equal("pair" in listed.stdout, bool(more), listed.stdout + listed.stderr)
    expect(keystore(world, "export", "--alias", "lone", "--what", "ssh").startswith("ssh-rsa "), "OpenSSH")
    keystore(world, "csr", "lone", "--to", path(world, "lone.csr"))
    openssl("req", "-verify", "-noout", "-in", path(world, "lone.csr"))
    expect("only a key pair" in keystore(world, "csr", "root", status=1), "a certificate signs nothing")
    expect("--what is" in keystore(world, "export", "--alias", "lone", "--what", "all", status=2), "a wrong word")


def case_restore(world):
    """a preview tells what a restore then does, and undo takes it back; an empty history is said"""
    keystore(world, "create", "fresh", "--common-name", "fresh", "--key-type", "EC", "--curve", "secp256r1")
    preview = keystore(world, "preview")
    equal([line.split()[:2] for line in preview.splitlines() if not line.startswith(("STATUS", "unchanged"))],
          [["removed", "fresh"], ["new", "pair"]], preview)
    equal(keystore(world, "restore"), preview, "the restore")
    equal(aliases(world), ["lone", "pair", "root"], "restored")
    keystore(world, "undo")
    equal(aliases(world), ["fresh", "lone", "root"], "undone")
    expect("nothing to undo" in keystore(world, "undo", status=1), "twice")
    expect("no backup 99" in keystore(world, "restore", "--backup", "99", status=1), "a backup that is not there")
    expect("mode must be" in keystore(world, "preview", "--mode", "all", status=1), "a wrong mode")
    expect("for export" in keystore(world, "backups") and "restore" in keystore(world, "history"), "the history")
    expect("entries: 3" in keystore(world, "status"), "the head")
    expect("damaged: 0" in keystore(world, "verify"), "the seals")


def case_switches(world):
    """a switch that is not said is a usage error, and changes nothing"""
    for words in (("trust-inbound", "root"), ("require-certificate",)):
        expect("needs" in keystore(world, *words, status=2), words)
        expect("on or off" in keystore(world, *words, "perhaps", status=2), words)
    expect("changed" in keystore(world, "trust-inbound", "root", "on"), "on")
    expect("changed" in keystore(world, "trust-inbound", "root", "off"), "off")
    expect("key pair" in keystore(world, "trust-inbound", "lone", "on", status=1), "a key pair")
    equal(keystore(world, "require-certificate", "off"), "clientCertificateRequired: false\n", "settings")


def case_reader(world):
    """who may only read sees all and is refused every change with the role that it needs"""
    rita = {"login": "rita@plant.example"}
    for words in (("list",), ("show", "lone"), ("export", "--alias", "lone"), ("backups",), ("preview",), ("status",)):
        keystore(world, *words, **rita)
    for words in (("create", "x", "--common-name", "x"), ("delete", "lone"), ("rename", "lone", "x"), ("backup",),
                  ("restore",), ("undo",), ("trust-inbound", "root", "on"), ("import", path(world, "root.pem"))):
        said = keystore(world, *words, status=1, **rita)
        expect("NodeManager.deploysecuritycontent" in said and "403" in said, said)


def case_connection_test(world):
    """what a connection test met is readable lines, certificate by certificate; a problem ends with 1"""
    words = ("test", "localhost", str(world.ports.console))
    said = keystore(world, *words, status=1)
    expect("problem.code: untrusted" in said and "problem.next: " in said, said)
    with open(path(world, "cloud.pem"), "w", encoding="ascii") as file:
        file.write(world.console.must("GET", CLOUD + "/ca").json()["rootPem"])
    keystore(world, "import", path(world, "cloud.pem"))
    said = keystore(world, *words)
    for part in ("ok: true", "serverCertificates.1.subject: CN=", "serverCertificates.2.subject: "):
        expect(part in said, said)
    expect("BEGIN CERTIFICATE" not in said and "{" not in said, said)
    rows = json.loads(keystore(world, *words, output="json"))["serverCertificates"]
    ssl.PEM_cert_to_DER_cert(rows[0]["pem"])
    expect("needs PORT" in keystore(world, "test", "localhost", status=2), "no port")
    expect("number" in keystore(world, "test", "localhost", "https", status=2), "a name for a port")


def case_damage(world):
    """an entry that somebody changed in the database is named, and verify ends with 1 until it is gone"""
    with contextlib.closing(sqlite3.connect(world.state_file("cloud"), timeout=30)) as db:
        db.execute("UPDATE entry_content SET sealed = zeroblob(length(sealed)) WHERE id = "
                   "(SELECT id FROM entry_version WHERE alias = 'lone' ORDER BY modified DESC LIMIT 1)")
        db.commit()
    said = keystore(world, "verify", status=1)
    expect("alias: lone" in said and "damaged: delete them" in said, said)
    keystore(world, "delete", "lone")
    expect("damaged: 0" in keystore(world, "verify"), "the rest")
