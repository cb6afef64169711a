"""The keystore's connection test against real servers: OpenSSL's own, and nginx with mutual TLS."""
import os
import subprocess
import threading

import stage
from inbound_test import Authority, openssl
from servers import Nginx
from stage import Program, expect, free_ports, wait_for
from tenant import Tenant, b64
from world import ADMIN, CLOUD

DATABASES = ("sqlite",)
PASSWORD = "Xk9-vale-77"


def equal(seen, wanted, what="answer"):
    stage.equal(seen, wanted, str(what))


class Server:
    """openssl s_server with a certificate for localhost; `demands`: the CA that clients' certificates need."""

    def __init__(self, world, name, certificate, demands=None, version=None, more=()):
        self.port = free_ports(1)[0]
        words = ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", certificate[0], "-key",
                 certificate[1], "-quiet", *more]
        words += ["-CAfile", demands.pem, "-Verify", "2", "-verify_return_error"] if demands else []
        words += [version] if version else []
        self.program = Program(name, words, world.folder)
        world.programs.append(self.program)
        self.program.start()
        wait_for(lambda: str(self.port) in subprocess.run(["ss", "-ltn"], capture_output=True, text=True).stdout,
                 name + " listening")

    def stop(self):
        self.program.stop()


def server_certificate(authority, names="DNS:localhost"):
    pem, key, request = (authority.path(f"-server{s}") for s in (".pem", ".key", ".csr"))
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
            "-keyout", key, "-out", request)
    with open(authority.path("-server.ext"), "w") as f:
        f.write(f"basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName={names}\n")
    openssl("x509", "-req", "-in", request, "-CA", authority.pem, "-CAkey", authority.key, "-CAcreateserial",
            "-days", "7", "-extfile", authority.path("-server.ext"), "-out", pem)
    return pem, key


def scene(world):
    """The cloud side alone, allowed to test connections to 127.0.0.1; a tenant with one key pair and no trust."""
    world.options["cloud"] = ["--connection-test-allow", "127.0.0.1"]
    world.start_cloud()
    world.first_start_of_cloud()
    world.create_owner_and_subaccount()
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}/members/{ADMIN}",
                       {"roles": ["AuthGroup.Administrator"]})
    world.tenant = Tenant(world, ADMIN, world.cloud_password)
    folder = world.sub("pki")
    world.theirs, world.ours = Authority(folder, "Server Root"), Authority(folder, "Client Root")
    world.strange = Authority(folder, "Strange Root")
    world.server_cert = server_certificate(world.theirs)
    for alias, authority in (("edge", world.ours), ("odd", world.strange)):
        add_pair(world, alias, authority.client(alias))


def add_pair(world, alias, pair):
    container = subprocess.run(["openssl", "pkcs12", "-export", "-in", pair[0], "-inkey", pair[1], "-name", alias,
                                "-passout", "pass:" + PASSWORD], capture_output=True, check=True).stdout
    world.tenant.must("POST", "/KeyPairResources?fingerprintVerified=true&returnKeystoreEntries=false&update=false",
                      {"Hexalias": "00", "Alias": alias, "Password": PASSWORD, "Resource": b64(container)})


def test(world, wanted=200, **body):
    answer = world.tenant.own("POST", "/connection-test", {"host": "localhost", **body})
    equal(answer.status, wanted, answer)
    return answer.json()


def problem(world, code, **body):
    seen = test(world, **body)
    equal((seen["ok"], (seen["problem"] or {}).get("code")), (False, code), seen)
    expect(len(seen["problem"]["text"]) > 10 and len(seen["problem"]["next"]) > 10, seen)
    return seen


def case_trust(world):
    """a server whose root is not in the keystore is told with its fingerprint; once it is there, all is shown"""
    server = Server(world, "plain", world.server_cert)
    seen = problem(world, "untrusted", port=server.port)
    equal(seen["serverCertificates"][0]["subject"], "CN=server", seen)
    expect(seen["serverCertificates"][-1]["sha256"] in seen["problem"]["text"], seen)
    seen = test(world, port=server.port, validateServer=False)
    equal((seen["protocol"], seen["problem"]["code"]), ("TLSv1.3", "untrusted"), seen)
    equal(world.tenant.put_certificate("server root", world.theirs.text()).status, 204)
    seen = test(world, port=server.port)
    equal((seen["ok"], seen["protocol"], seen["problem"]), (True, "TLSv1.3", None), seen)
    equal(seen["clientCertificate"], {"asked": False, "acceptableIssuers": 0, "alias": None, "accepted": False})
    equal(seen["serverCertificates"][0]["names"], ["DNS:localhost"])
    expect(seen["cipher"].startswith("TLS_") and seen["address"].startswith("127.0.0.1:"), seen)
    problem(world, "name_mismatch", port=server.port, host="127.0.0.1")
    server.stop()


def case_client_certificate(world):
    """a server that asks gets the one key pair that fits, in both versions; a wrong one named by alias is refused"""
    for version in ("-tls1_3", "-tls1_2"):
        server = Server(world, "mutual" + version, world.server_cert, world.ours, version)
        seen = test(world, port=server.port)
        equal((seen["ok"], seen["clientCertificate"]),
              (True, {"asked": True, "acceptableIssuers": 1, "alias": "edge", "accepted": True}), seen)
        equal(test(world, port=server.port, alias="EDGE")["clientCertificate"]["alias"], "edge")
        seen = problem(world, "client_certificate_refused", port=server.port, alias="odd")
        expect('"odd"' in seen["problem"]["text"], seen)
        server.stop()


def case_choice(world):
    """when several fit, the one that stays valid longest is shown; when none fits, that is said"""
    add_pair(world, "a-later", long_lived(world))
    server = Server(world, "choosy", world.server_cert, world.ours)
    equal(test(world, port=server.port)["clientCertificate"]["alias"], "a-later")
    world.tenant.must("DELETE", f"/KeystoreEntries('{'a-later'.encode().hex()}')?returnKeystoreEntries=false")
    equal(test(world, port=server.port)["clientCertificate"]["alias"], "edge")
    server.stop()
    server = Server(world, "other", world.server_cert, world.theirs)
    problem(world, "client_certificate_required", port=server.port)
    server.stop()


def long_lived(world):
    pem, key = world.ours.client("later")
    openssl("x509", "-req", "-in", world.ours.path("-later.csr"), "-CA", world.ours.pem, "-CAkey", world.ours.key,
            "-CAcreateserial", "-days", "25", "-extfile", world.ours.path("-later.ext"), "-out", pem)
    return pem, key


def case_nginx(world):
    """nginx with mutual TLS accepts it too"""
    port = free_ports(1)[0]
    nginx = Nginx(world.sub("nginx"), port, *world.server_cert)
    config = os.path.join(world.folder, "nginx", "nginx.conf")
    with open(config) as f:
        text = f.read()
    with open(config, "w") as f:
        f.write(text.replace("ssl_certificate_key", f"ssl_client_certificate {world.ours.pem}; ssl_verify_client on; "
                                                    "ssl_certificate_key", 1))
    world.started(nginx)
    seen = test(world, port=port)
    equal((seen["ok"], seen["clientCertificate"]["alias"]), (True, "edge"), seen)


def case_nothing_there(world):
    """nobody there, no such name, and no TLS are told apart"""
    problem(world, "unreachable", port=free_ports(1)[0])
    problem(world, "unresolved", host="nowhere.invalid")
    problem(world, "no_tls", port=world.ports.metrics, host="127.0.0.1")


def case_refused(world):
    """special addresses and our own listeners are refused unless allowed, and bad input with a hint"""
    for host in ("127.0.0.2", "::1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.2"):
        expect("do not go there" in test(world, 403, host=host)["detail"], host)
    expect("without scheme" in test(world, 400, host="https://localhost/")["detail"], "the hint")
    for body in ({"host": ""}, {"port": 0}, {"port": "x"}, {"host": 5}, {"alias": "nobody"}, {"validateServer": 7}):
        test(world, 400, **body)
    wait_for(lambda: "denied connection test" in world.console.must("GET", f"{CLOUD}/audit/denied?limit=50").text,
             "the audit's rows")


def case_roles(world):
    """who may only read may not test"""
    world.console.must("POST", f"{CLOUD}/users", {"name": "reader", "password": "Reader-12345", "displayName": "R",
                                                  "roles": []})
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}/members/reader",
                       {"roles": ["AuthGroup.ReadOnly"]})
    reader = Tenant(world, "reader", "Reader-12345")
    equal(reader.own("POST", "/connection-test", {"host": "localhost"}).status, 403)


def case_many(world):
    """a tenant that waits for a silent server is answered 429 and takes nothing from others; past the total it is 503"""
    others = [other_tenant(world, name) for name in ("Second", "Third")]
    quiet = Server(world, "quiet", world.server_cert)
    os.kill(quiet.program.pid, 19)  # SIGSTOP: it accepts and never answers
    held = {"host": "localhost", "port": quiet.port}
    done = threading.Event()

    def hold(tenant):
        """Again and again: a test ends after 15 s."""
        while not done.is_set():
            tenant.own("POST", "/connection-test", held)

    def refused(name, tenant, status, limit):
        def seen():
            answer = tenant.own("POST", "/connection-test", {"host": "localhost", "port": 1})
            return answer if answer.status == status else None
        answer = wait_for(seen, f"{name}: {status}", 60)
        expect(limit in answer.json()["detail"], answer)
        equal(answer.headers["Retry-After"], "5")
    mine = Tenant(world, ADMIN, world.cloud_password)
    threads = [threading.Thread(target=hold, args=[tenant]) for tenant in (mine, others[0])]
    threads[0].start()
    refused("mine", Tenant(world, ADMIN, world.cloud_password), 429, "connection.tests.tenant.max")
    equal(others[1].own("POST", "/connection-test", {"host": "localhost", "port": 1}).status, 200, "another tenant")
    threads[1].start()
    refused("third", others[1], 503, "connection.tests.max")
    counter = [line for line in world.metrics().text.splitlines()
               if line.startswith("drawbridge_connection_tests_refused_total ")]
    expect(int(counter[0].split(" ")[1]) >= 2, counter)
    done.set()
    os.kill(quiet.program.pid, 18)
    for t in threads:
        t.join(30)
    equal(mine.own("POST", "/connection-test", held).status, 200)


def other_tenant(world, name):
    made = world.console.must("POST", f"{CLOUD}/subaccounts", {"displayName": name, "owner": world.owner}).json()["id"]
    world.console.must("PUT", f"{CLOUD}/subaccounts/{made}/members/{ADMIN}", {"roles": ["AuthGroup.Administrator"]})
    return Tenant(world, ADMIN, world.cloud_password, subaccount=made)


def memory_has(pid, secret):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if "r" not in mode or "[v" in line or end - start > 1 << 30:  # the sanitizer's shadow has terabytes
                continue
            try:
                mem.seek(start)
                while start < end:
                    piece = mem.read(min(end - start, 1 << 24))
                    if not piece:
                        break
                    if secret in piece:
                        return True
                    start += len(piece)
            except (OSError, OverflowError, ValueError):
                continue
    return False


def case_key_stays(world):
    """after a connection with it the key's bytes are in no memory of the server, while a process that has them is found"""
    server = Server(world, "mutual", world.server_cert, world.ours)
    equal(test(world, port=server.port)["clientCertificate"]["alias"], "edge")
    server.stop()
    text = openssl("ec", "-in", world.ours.path("-edge.key"), "-noout", "-text")
    scalar = bytes.fromhex(text.split("priv:")[1].split("pub:")[0].replace(":", "").replace("\n", "").replace(" ", ""))
    scalar = scalar[-32:]
    control = subprocess.Popen(["python3", "-c", "import sys; key = bytes.fromhex(sys.stdin.readline()); "
                                "print('up', flush=True); sys.stdin.readline()"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    control.stdin.write(scalar.hex() + "\n")
    control.stdin.flush()
    control.stdout.readline()
    expect(memory_has(control.pid, scalar), "the scan finds nothing where the key is")
    control.stdin.close()
    control.wait(10)
    server = world.server_pid("cloud")
    expect(memory_has(server, b"connection.tests.tenant.max"), "the scan does not find in the server what is there")
    for part in (scalar, scalar[::-1], scalar[:16]):
        expect(not memory_has(server, part), "the key is in the server's memory")
