"""After an upload no copy of its private keys and passwords stays in the memory of the server.

A scan that looks for a mistyped pattern reports "clean" for ever: so the same scan first runs over a process that
holds every pattern, and must find each of them.
"""
import base64
import os
import re
import subprocess
import sys

import scenes
from config_test import form
from stage import equal, expect
from world import CONNECTOR

WINDOW = 16
UI = f"{CONNECTOR}/connector/ui/uiCertificate"
PASSWORD = "Geheim-%s" % os.urandom(12).hex()


def scene(world):
    scenes.ready(world)


def openssl(*words, text=None):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, input=text).stdout


def numbers(key):
    """The secret numbers of a key as openssl prints them: d and the primes, or the scalar."""
    text = openssl("pkey", "-in", key, "-noout", "-text").decode()
    for name in ("priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"):
        found = re.search(rf"^{name}:\n((?: +[0-9a-f:]+\n)+)", text, re.M)
        if found:
            yield name, bytes.fromhex(re.sub(r"[\s:]", "", found.group(1))).lstrip(b"\0")


def windows(name, data):
    """Pieces of WINDOW bytes from its start, its middle and its end: a copy of a part of it is found too."""
    places = sorted({0, (len(data) - WINDOW) // 2, len(data) - WINDOW})
    return [(f"{name}[{at}]", data[at:at + WINDOW]) for at in places]


def patterns(key, password):
    with open(key, "rb") as f:
        pem = f.read()
    out = [("password", password.encode())]
    body = b"".join(line for line in pem.splitlines() if b"-----" not in line)
    der = base64.b64decode(body)
    lines = [line for line in pem.splitlines() if b"-----" not in line]
    if len(lines) > 8:  # the last lines of an RSA key hold its primes; an EC key's hold its public point
        out += [(f"pem line {i}", line) for i, line in enumerate(lines[-6:-1])]
    for name, number in numbers(key):
        out += windows(f"{name}, big end first", number)
        out += windows(f"{name}, little end first", number[::-1])
        out += windows(f"{name}, base64", base64.b64encode(number))
        expect(number in der, f"{name} is not in the DER form")
    return out


def regions(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        for line in f:
            place, mode = line.split()[:2]
            if "r" in mode and "[vvar" not in line and "[vsyscall" not in line:
                yield tuple(int(part, 16) for part in place.split("-"))


def dump(pid):
    """All readable memory of the process, as a core dump would have it, less the pages of zeros: they are most of it."""
    out = []
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for start, end in regions(pid):
            if end - start > 1 << 30:
                continue  # the shadow of a sanitizer
            try:
                mem.seek(start)
                out.append(mem.read(end - start).replace(bytes(4096), b"\0"))
            except (OSError, ValueError, OverflowError):
                continue
    return out


def found(pid, wanted):
    memory = dump(pid)
    expect(sum(map(len, memory)) > 1 << 20, f"only {sum(map(len, memory))} bytes of {pid} were read")
    return [name for name, pattern in wanted if any(pattern in piece for piece in memory)]


def control(wanted):
    """The scan over a process that has all of it."""
    code = ("import sys\nkept = [bytes.fromhex(line) for line in sys.stdin.readline().split()]\n"
            "print('ready', flush=True)\nsys.stdin.readline()\n")
    text = " ".join(pattern.hex() for _, pattern in wanted)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        equal(process.stdout.readline(), "ready\n", "the control process")
        seen = found(process.pid, wanted)
        process.stdin.write("\n")
        process.stdin.flush()
    equal(len(seen), len(wanted), "patterns that the control finds")


def upload(world, kind, arguments):
    folder = world.sub("memory")
    key, crt, p12 = (os.path.join(folder, kind + end) for end in (".key", ".crt", ".p12"))
    openssl("genpkey", *arguments, "-out", key)
    openssl("req", "-x509", "-key", key, "-subj", f"/CN={kind}", "-days", "30", "-addext",
            "subjectAltName=DNS:localhost", "-out", crt)
    openssl("pkcs12", "-export", "-inkey", key, "-in", crt, "-out", p12, "-passout", "pass:" + PASSWORD)
    wanted = patterns(key, PASSWORD)
    control(wanted)
    with open(p12, "rb") as f:
        body, headers = form(pkcs12=f.read(), password=PASSWORD)
    equal(world.admin.call("PUT", UI, body, headers=headers).status, 204, f"{kind}: upload")
    return wanted


def scan(world, kind, arguments):
    wanted = upload(world, kind, arguments)
    world.admin.must("GET", UI)  # a handshake with the new key, and the buffers are used again
    equal(found(world.server_pid("connector"), wanted), [], f"{kind}: left in the server's memory")
    for pid in world.connector.named("drawbridge-keyd"):
        equal(found(pid, wanted[:1]), [], f"{kind}: the password, left in the key process {pid}")
    world.admin.must("DELETE", UI)


def case_rsa_upload(world):
    """an RSA key in a PKCS#12 file and its password leave nothing in the server, the password nothing in keyd"""
    scan(world, "rsa", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))


def case_ec_upload(world):
    """the same with an EC key"""
    scan(world, "ec", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))


def case_no_core(world):
    """no process writes a core file, nor may its own user look into it"""
    for pid in world.connector.family():
        with open(f"/proc/{pid}/limits", encoding="ascii") as f:
            line = next(row for row in f if row.startswith("Max core file size"))
        equal(line.split()[4:6], ["0", "0"], f"core limit of {pid}")
