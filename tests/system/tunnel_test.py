"""Who may open tunnels, and through what: certificates, locations, corporate proxies, first contact."""
import http.client
import os
import socket
import ssl
import subprocess
import uuid

from servers import Squid
from stage import ProxyClient, equal, expect, free_ports, wait_for

DATABASES = ("sqlite", "postgresql")


def upgrade(world, subaccount=None, instance=None, location="", chain=None, key=None):
    """The bytes that a peer answers to a PTTH upgrade with this client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if chain:
        context.load_cert_chain(chain, key)
    request = (f"GET /ptth/subaccounts/{subaccount or world.subaccount} HTTP/1.1\r\n"
               f"Host: localhost:{world.ports.tunnel}\r\nConnection: upgrade\r\nUpgrade: ptth\r\n"
               f"ALPN: h2\r\nDrawbridge-Protocol: 1\r\n"
               f"Drawbridge-Instance: {instance or uuid.uuid4()}\r\n"
               f"Drawbridge-Location-Id: {location}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", world.ports.tunnel), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall(request)
            answer = http.client.HTTPResponse(s)
            answer.begin()
            return f"HTTP/1.1 {answer.status}\r\n{answer.headers}".encode() + answer.read()


def openssl(*words, text=None):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, input=text)


def case_no_certificate(world):
    """a dial without a certificate gets 401 as problem+json"""
    seen = upgrade(world)
    expect(seen.startswith(b"HTTP/1.1 401"), f"saw {seen[:300]!r}")
    expect(b"application/problem+json" in seen, f"saw {seen[:300]!r}")


def case_foreign_certificate(world):
    """a certificate of a foreign CA counts as none (401)"""
    folder = world.sub("foreign")
    chain, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out", chain, "-days", "30", "-subj", "/CN=x", "-addext",
            f"subjectAltName=URI:spiffe://localhost/subaccount/{world.subaccount}/connector/{uuid.uuid4()}")
    expect(upgrade(world, chain=chain, key=key).startswith(b"HTTP/1.1 401"), "not refused with 401")


def case_forged_expired_certificate(world):
    """a certificate forged under the CA's name by another key, and expired, counts as none (401)"""
    folder = world.sub("forged")
    ca, ca_key, key, csr, chain = (os.path.join(folder, n) for n in
                                   ("ca.pem", "ca.key", "k.pem", "r.pem", "c.pem"))
    issuer = world.issuer_subject()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            ca_key, "-out", ca, "-days", "30", "-subj", issuer)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
            csr, "-subj", "/CN=x")
    extensions = os.path.join(folder, "x.cnf")
    with open(extensions, "w") as f:
        f.write(f"subjectAltName=URI:spiffe://localhost/subaccount/{world.subaccount}"
                f"/connector/{uuid.uuid4()}\n")
    openssl("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "-1",
            "-out", chain, "-extfile", extensions)
    seen = upgrade(world, chain=chain, key=key)
    expect(seen.startswith(b"HTTP/1.1 401"), f"saw {seen[:300]!r}")
    expect(b"expired" not in seen.lower(), f"the forged one was believed to be ours: {seen[:400]!r}")


def case_unknown_subaccount(world):
    """a path that names no subaccount, or garbage, is refused"""
    for name in (str(uuid.uuid4()), "nonsense", "%00"):
        seen = upgrade(world, subaccount=name)
        expect(seen[9:10] == b"4", f"{name}: {seen[:200]!r}")


def case_second_installation_same_location(world):
    """another installation with the same location ID is refused with 409 and both facts are shown"""
    other = world.second_connector("")
    try:
        wait_for(lambda: "location" in other.failure().lower(), f"the refusal being shown ({other.failure()})", 60)
        equal(ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status, 200,
              "the holder goes on")
    finally:
        other.end()


def case_second_installation_other_location(world):
    """another installation with its own location ID is reached by naming it"""
    other = world.second_connector("hall-2")
    try:
        wait_for(lambda: other.connected(), "the second connector's tunnel")
        other.map(world.virtual, f"127.0.0.1:{world.ports.backend}", "/public/hello.txt")
        answer = ProxyClient(world.ports.proxy, world.token(), location="hall-2").get(
            world.url("/public/hello.txt"))
        equal(answer.status, 200, f"saw {answer}")
        equal(ProxyClient(world.ports.proxy, world.token(), location="hall-2").get(
            world.url("/public/deep/er.txt")).status, 403, "a path that only the first one exposes")
    finally:
        other.end()


def case_corporate_proxy(world):
    """the tunnel crosses a corporate proxy by CONNECT"""
    port, = free_ports(1)
    squid = world.started(Squid(world.sub("squid"), port, world.ports.tunnel))
    try:
        world.disconnect()
        world.admin.must("PUT", "/api/v1/configuration/connector/proxy",
                         {"host": "127.0.0.1", "port": str(port)})
        world.connect()
        equal(ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status, 200,
              "a request through proxy and tunnel")
        squid.stop()
        wait_for(lambda: world.state() != "Connected", "the loss of the proxy being seen")
    finally:
        squid.stop()
        world.admin.must("DELETE", "/api/v1/configuration/connector/proxy")
        wait_for(lambda: world.state() == "Connected", "connecting directly again", 60)


def case_corporate_proxy_with_password(world):
    """a corporate proxy that asks for Basic credentials: refused with its text, then crossed"""
    port, = free_ports(1)
    squid = world.started(Squid(world.sub("squid-auth"), port, world.ports.tunnel, "plant", "geheim-7"))
    try:
        world.disconnect()
        world.admin.must("PUT", "/api/v1/configuration/connector/proxy",
                         {"host": "127.0.0.1", "port": str(port), "user": "plant", "password": "wrong"})
        world.admin.must("PUT", world.subaccount_path("/state"), {"connected": True})
        reason = wait_for(lambda: "407" in world.reason() and world.reason(), "the refusal being shown")
        expect("proxy" in reason.lower(), f"the proxy is not named: {reason}")
        world.admin.must("PUT", "/api/v1/configuration/connector/proxy",
                         {"host": "127.0.0.1", "port": str(port), "user": "plant", "password": "geheim-7"})
        wait_for(lambda: world.state() == "Connected", "crossing the proxy", 60)
        shown = world.admin.must("GET", "/api/v1/configuration/connector/proxy").text
        expect("geheim-7" not in shown, "the password is shown")
    finally:
        squid.stop()
        world.admin.must("DELETE", "/api/v1/configuration/connector/proxy")
        wait_for(lambda: world.state() == "Connected", "connecting directly again", 60)


def case_revoked(world):
    """a revoked certificate is cut from its open tunnel, and its dials get 403 with the reason"""
    serial = world.certificate()["serialNumber"]
    world.revoke(serial)
    hello = ProxyClient(world.ports.proxy, world.token())
    wait_for(lambda: hello.get(world.url("/public/hello.txt")).status == 503, "requests being refused")
    # Much less than a tunnel may take to drain (30 s): what takes no requests is not connected.
    wait_for(lambda: world.state() == "ConnectFailure", "the failure being shown", 20)
    wait_for(lambda: "revoked" in world.reason().lower(), "the reason being shown")
    world.replace_subaccount()
    equal(ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status, 200,
          "after enrolling again")
