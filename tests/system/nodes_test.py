"""Two nodes of the cloud side on one PostgreSQL: what is one for both, and how soon."""
import os
import shutil
import signal
import threading
import time
import urllib.request

from master_test import MASTER, Held
from servers import Postgres
from stage import Program, ProxyClient, Rest, equal, expect, free_ports, wait_for
from tunnel_test import upgrade
from world import ADMIN, CLOUD, SANITIZER, Ports, setup_code

DATABASES = ("postgresql",)


class Node:
    """One more drawbridge-cloud on the world's database: state folder, ports and name of its own."""

    def __init__(self, world, name, key=None):
        self.world, self.name, self.ports = world, name, Ports()
        self.state = os.path.join(world.folder, "node-" + name)
        p = self.ports
        self.program = Program("cloud-" + name, [
            world.binary("drawbridge-cloud"), "--state-dir", self.state, "--region-host", world.region,
            "--node-name", name, "--listen-console", f"127.0.0.1:{p.console}",
            "--listen-tunnel", f"127.0.0.1:{p.tunnel}", "--listen-proxy", f"127.0.0.1:{p.proxy}",
            "--listen-tls", f"127.0.0.1:{p.tls}", "--listen-metrics", f"127.0.0.1:{p.metrics}", "--workers", "1",
            "--master-key-file", key or os.path.join(world.folder, "cloud-key", "master.key"),
            "--token-url", f"https://localhost:{world.ports.console}",
            "--database", world.postgres.url], world.folder, env=SANITIZER)
        world.programs.append(self.program)
        self.console = Rest(p.console, ADMIN, world.cloud_password)

    def start(self):
        self.program.start()
        return self

    def ready(self):
        wait_for(lambda: Rest(self.ports.console).call("GET", "/readyz").status == 200, self.name + " ready", 60)
        return self

    def proxy(self, token):
        return ProxyClient(self.ports.proxy, token)


def scene(world):
    """The first node is the world's own; the second starts at the same time, on an empty database."""
    world.postgres = world.started(Postgres(world.sub("postgres"), free_ports(1)[0]))
    world.options["cloud"] = ["--node-name", "one", "--token-url", f"https://localhost:{world.ports.console}"]
    # Both must have the same master key: what is sealed lies in the one database.
    key = os.path.join(world.sub("cloud-key"), "master.key")
    with open(key, "w") as f:
        f.write(os.urandom(32).hex() + "\n")
    os.chmod(key, 0o400)
    world.two = Node(world, "two")
    second = threading.Thread(target=world.two.start)
    second.start()
    world.start_cloud()
    second.join()
    world.two.ready()
    world.start_backend()
    world.start_connector()
    world.first.first_start()


def case_started_together(world):
    """two nodes that start at once on an empty database migrate once, and one setup code is right"""
    for program in (world.cloud, world.two.program):
        expect("a process ended" not in program.log(), f"it took a second start: {program.log()}")
    codes = {}
    for name, folder in (("one", world.sub("cloud")), ("two", world.two.state)):
        path = os.path.join(folder, "setup-code")
        if os.path.exists(path):
            codes[name] = setup_code(folder)
    equal(len(codes), 1, f"setup codes: {list(codes)}")
    name, code = codes.popitem()
    port = world.ports.console if name == "one" else world.two.ports.console
    Rest(port, ADMIN, code).must("PUT", f"{CLOUD}/users/{ADMIN}/password",
                                 {"oldPassword": code, "newPassword": world.cloud_password})
    world.create_owner_and_subaccount()
    world.create_service_key()
    answer = world.first.add_subaccount(data=world.authentication_data())
    equal(answer.status, 201, f"enrolment: {answer}")
    world.map(world.virtual, f"127.0.0.1:{world.ports.backend}", "/public")
    wait_for(world.first.connected, "the tunnel", 60)


def case_one_authority(world):
    """both nodes show the same CA and the same keys of tokens"""
    equal(world.two.console.must("GET", f"{CLOUD}/ca").json(), world.console.must("GET", f"{CLOUD}/ca").json(),
          "CA")
    keys = [Rest(port).must("GET", "/token_keys").json()
            for port in (world.ports.console, world.two.ports.console)]
    equal(keys[0], keys[1], "keys of tokens")



def case_one_reseal(world):
    """sealing again is one run for all nodes: each shows it, refuses another, and knows its end, also after a restart"""
    held, two = Held(world.console), world.two.console
    held.call("GET", MASTER)  # its handshake
    keyds = world.cloud.named("drawbridge-keyd")
    for pid in keyds:
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = held.call("POST", MASTER)
        equal(begun.status, 202, begun)
        other = two.call("POST", MASTER)
        equal((other.status, "on node one" in other.json()["detail"]), (409, True), other)
        seen = two.must("GET", MASTER).json()
        started = begun.json()["progress"]["started"]
        equal((seen["running"], seen["progress"]["node"], seen["progress"]["started"]), (True, "one", started), seen)
    finally:
        for pid in keyds:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not two.must("GET", MASTER).json()["running"], "the end of the run", 60)
    world.two.program.stop()
    world.two.start().ready()
    for rest in (two, world.console):
        last = rest.must("GET", MASTER).json()["last"]
        equal((last["started"], last["node"], last["error"]), (started, "one", ""), last)
    equal(two.call("POST", MASTER).status, 202, "the next run, on the other node")
    wait_for(lambda: not world.console.must("GET", MASTER).json()["running"], "its end", 60)
    equal(world.console.must("GET", MASTER).json()["last"]["node"], "two", "the last run")

def case_tokens_of_the_other(world):
    """a token of one node is taken by the other, which says 503 as long as it has no tunnel"""
    answer = Rest(world.two.ports.console).call(
        "POST", "/oauth/token", "grant_type=client_credentials&client_id=%s&client_secret=%s" % (
            urllib.request.quote(world.key["clientid"], safe=""),
            urllib.request.quote(world.key["clientsecret"], safe="")),
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    equal(answer.status, 200, f"token of the second node: {answer}")
    token = answer.json()["access_token"]
    equal(ProxyClient(world.ports.proxy, token).get(world.url("/public/hello.txt")).status, 200, "at the first")
    answer = world.two.proxy(world.token()).get(world.url("/public/hello.txt"))
    equal(answer.status, 503, f"at the second: {answer}")
    expect(world.subaccount in answer.text, f"no reason: {answer}")


def case_claim_across_nodes(world):
    """another installation at another node with the same location ID gets 409 while the claim holds"""
    folder = world.sub("stranger")
    chain, key, instance = enrol(world, folder)
    answer = upgrade_at(world, world.two.ports.tunnel, instance, chain, key)
    expect(answer.startswith(b"HTTP/1.1 409"), f"saw {answer[:300]!r}")
    expect(b"problem+json" in answer, f"saw {answer[:300]!r}")
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "the holder serves on")


def case_revoked_at_the_other(world):
    """a certificate revoked through one node is cut at the other within about a second"""
    serial = world.certificate()["serialNumber"]
    client = world.client()
    equal(client.get(world.url("/public/hello.txt")).status, 200, "a request before")
    start = time.monotonic()
    world.two.console.must("POST", f"{CLOUD}/subaccounts/{world.subaccount}/certificates/{serial}/revoke", {})
    wait_for(lambda: world.first.tunnel()["state"] != "Connected", "the cut", 30, 0.02)
    took = time.monotonic() - start
    print(f"# cut {took:.2f} s after the revocation")
    equal(client.get(world.url("/public/hello.txt")).status, 503, "a request after the cut")
    wait_for(lambda: "revoked" in world.reason(), "the reason on premise", 40)


def case_other_master_key(world):
    """a node with another master key than its database is refused, and says what to copy"""
    folder = world.sub("other-key")
    node = Node(world, "three", key=os.path.join(folder, "master.key"))
    node.start()
    status = node.program.process.wait(60)
    equal(status, 2, f"exit status; {node.program.log()}")
    expect("master key" in node.program.log(), f"no reason: {node.program.log()}")
    shutil.rmtree(node.state)
    equal(world.console.must("GET", f"{CLOUD}/ca").status, 200, "the others go on")


def enrol(world, folder):
    """A certificate of the subaccount for an installation that is no connector of ours, by EST."""
    import base64
    import subprocess
    import uuid
    instance = str(uuid.uuid4())
    key, csr, chain = (os.path.join(folder, name) for name in ("key.pem", "csr.der", "chain.pem"))
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-subj", "/CN=x", "-addext", "subjectAltName=URI:spiffe://localhost/"
                    f"subaccount/{world.subaccount}/connector/{instance}", "-outform", "DER", "-out", csr],
                   check=True, capture_output=True)
    with open(csr, "rb") as f:
        body = base64.encodebytes(f.read())
    owner = Rest(world.ports.tunnel, world.owner, world.owner_password)
    answer = owner.must("POST", f"/.well-known/est/{world.subaccount}/simpleenroll", body,
                        headers={"Content-Type": "application/pkcs10", "Drawbridge-Instance": instance})
    pem = subprocess.run(["openssl", "pkcs7", "-inform", "DER", "-print_certs"], check=True, capture_output=True,
                         input=base64.b64decode(answer.body)).stdout
    with open(chain, "wb") as f:
        f.write(pem)
    return chain, key, instance


def upgrade_at(world, port, instance, chain, key):
    usual, world.ports.tunnel = world.ports.tunnel, port
    try:
        return upgrade(world, instance=instance, chain=chain, key=key)
    finally:
        world.ports.tunnel = usual
