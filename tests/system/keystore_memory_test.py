"""Once an upload to a tenant's keystore is answered, no copy of its private keys and passwords stays: not in the server's
memory, not in a core dump of it, not in the database.

As in memory_test.py, every scan first runs over something that holds every pattern, and must find each of them.
"""
import base64
import os

from memory_test import WINDOW, control, dump, openssl, patterns, windows
from stage import equal, expect
from tenant import Tenant, b64, scene as tenant_scene
from world import ADMIN

DATABASES = ("sqlite", "postgresql")
KINDS = {"rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
         "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")}
FIRST_SECRET = {"rsa": 0.5, "ec": 0.33}  # of the PEM form: what lies before is public


def scene(world):
    tenant_scene(world)
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    world.files = world.sub("secrets")


def make(world, name, kind):
    """A key, its certificate, both as PKCS#12 under a password of its own; the paths and the password."""
    path, password = os.path.join(world.files, name), "Geheim-" + os.urandom(12).hex()
    openssl("genpkey", *KINDS[kind], "-out", path + ".key")
    openssl("req", "-x509", "-key", path + ".key", "-subj", f"/CN={name}", "-days", "30", "-out", path + ".crt")
    openssl("pkcs12", "-export", "-inkey", path + ".key", "-in", path + ".crt", "-name", name, "-out", path + ".p12",
            "-passout", "pass:" + password)
    return path, password


def read(path):
    with open(path, "rb") as file:
        return file.read()


def wanted_of(path, password, kind):
    """The forms of memory_test.py, the file in the form of a body's member, and the DER form's secret part."""
    pem = read(path + ".key")
    start = int(len(pem) * FIRST_SECRET[kind]) // 3 * 3
    lines = [line for line in pem.splitlines() if b"-----" not in line]  # the second of EC's three is of the scalar
    der = openssl("pkey", "-in", path + ".key", "-outform", "DER")
    return (patterns(path + ".key", password) + [("password, base64", b64(password.encode()).encode())] +
            windows("pem, base64", base64.b64encode(pem[start:start + 60])) +
            windows("pem", lines[len(lines) // 2][:WINDOW]) +
            windows("der", der[36:68] if kind == "ec" else der[len(der) // 2:][:64]))  # of EC the scalar, then it is public


def files_under(folder):
    return [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]


def found_in(folder, wanted, kept):
    """What lies in the files of a folder; those that vanish meanwhile are the database's own. A file whose name
    starts with `kept` must have been read: else the scan looked at the wrong place."""
    seen, names = set(), []
    for path in files_under(folder):
        try:
            content = read(path)
        except OSError:
            continue
        names.append(os.path.basename(path))
        seen |= {name for name, pattern in wanted if pattern in content}
    expect(any(name.startswith(kept) for name in names), f"no {kept} in {folder}, only {names}")
    return sorted(seen)


def core_dump(pid, path):
    """The readable memory as one file: the processes themselves allow no core, and gdb would copy a sanitizer's shadow."""
    with open(path, "wb") as core:
        for piece in dump(pid):
            core.write(piece)


def controls(world, wanted):
    control(wanted)
    folder = world.sub("control")
    with open(os.path.join(folder, "all"), "wb") as file:
        file.write(b"\0".join([b"x" * 1024] + [pattern for _, pattern in wanted]))
    equal(found_in(folder, wanted, "all"), sorted({name for name, _ in wanted}), "what the control finds in files")


def look(world, wanted, what):
    folder = world.sub("cores")
    core_dump(world.server_pid("cloud"), os.path.join(folder, "core"))
    expect(os.path.getsize(os.path.join(folder, "core")) > 1 << 20, "a core dump")
    equal(found_in(folder, wanted, "core"), [], f"{what}: left in the server's memory")
    os.unlink(os.path.join(folder, "core"))
    for pid in world.cloud.named("drawbridge-keyd"):
        memory = dump(pid)
        secrets = [pattern for name, pattern in wanted if name.startswith("password")]
        expect(not any(secret in piece for secret in secrets for piece in memory),
               f"{what}: the password, left in the key process {pid}")
    state = found_in(world.sub("cloud"), wanted, "serials" if world.postgres else "cloud.db")
    equal(state, [], f"{what}: left in the state folder")
    if world.postgres:
        equal(found_in(world.postgres.data, wanted, "PG_VERSION"), [], f"{what}: left in the database")


def upload(world, what, kind, send, statuses=(200, 204)):
    path, password = make(world, f"{what}-{kind}", kind)
    wanted = wanted_of(path, password, kind)
    controls(world, wanted)
    answer = send(world.tenant, f"{what}-{kind}", path, password)
    expect(answer.status in statuses, f"{what}, {kind}: {answer}")
    look(world, wanted, f"{what}, {kind}")


def key_pair(t, alias, path, password):
    return t.write("POST", "/KeyPairResources?fingerprintVerified=true", {
        "Hexalias": "00", "Alias": alias, "Password": password, "Resource": b64(read(path + ".p12"))})


def key_store(t, _alias, path, password):
    return t.write("POST", "/KeystoreResources?importOption=merge&returnKeystoreEntries=true", {
        "Name": "system", "Password": password, "Resource": b64(read(path + ".p12"))})


def lone_key(t, alias, path, _password):
    return t.write("POST", "/SSHKeyGenerationRequests", {
        "Hexalias": "00", "Alias": alias, "SSHFile": b64(read(path + ".key")), "CommonName": alias})


def locked_out(t, alias, path, password):
    return t.write("POST", "/KeyPairResources?fingerprintVerified=true", {
        "Hexalias": "00", "Alias": alias, "Password": password, "Resource": b64(read(path + ".p12")[:-9] + b"123456789")})


def case_key_pairs(world):
    """a key pair in a PKCS#12 with its password leaves nothing behind: RSA and EC"""
    for kind in KINDS:
        upload(world, "pair", kind, key_pair)


def case_keystores(world):
    """a whole keystore with its password leaves nothing behind"""
    upload(world, "store", "rsa", key_store)


def case_lone_keys(world):
    """a private key in plain PEM leaves nothing behind"""
    upload(world, "lone", "ec", lone_key)


def case_refused(world):
    """an upload that is refused leaves nothing behind either"""
    upload(world, "broken", "ec", locked_out, (400, 415))
