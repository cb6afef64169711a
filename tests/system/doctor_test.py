"""The doctor: each link from the connector to the relay is broken for real, and named with the next step."""
import json
import os
import socket
import ssl
import subprocess
import threading

from servers import Squid, self_signed
from stage import equal, expect, free_ports, wait_for
from world import CLOUD, CONNECTOR


def examine(world):
    return world.admin.must("POST", f"/api/drawbridge/v1/subaccounts/{world.region}/{world.subaccount}/diagnosis",
                            {}).json()


def step(report, link):
    return next(s for s in report["steps"] if s["link"] == link)


def broken(world, link, found, next_step):
    """The link is named, with what was seen and what to do; those behind it were not tried."""
    report = examine(world)
    equal(report["brokenLink"], link, f"the broken link of {json.dumps(report)[:1500]}")
    expect(found in report["found"], f"found: {report['found']}")
    expect(next_step in report["nextStep"], f"next step: {report['nextStep']}")
    names = [s["link"] for s in report["steps"]]
    behind = report["steps"][names.index(link) + 1:]
    expect(all(s["result"] == "not-reached" for s in behind), f"links behind {link}: {behind}")
    return report


def run(world, *words, port=None):
    env = dict(os.environ, DRAWBRIDGE_PASSWORD=world.first.password)
    port = port or world.ports.admin
    ca = ["--ca-file", world.first_ca(port)] if port == world.ports.admin else []
    return subprocess.run([world.binary("drawbridge"), *words, "--url", f"https://localhost:{port}", *ca], env=env,
                          capture_output=True, text=True, timeout=120)


def set_proxy(world, host, port, **more):
    if host:
        world.admin.must("PUT", CONNECTOR + "/connector/proxy", {"host": host, "port": str(port), **more})
    else:
        world.admin.must("DELETE", CONNECTOR + "/connector/proxy")


def case_healthy(world):
    """where nothing is broken every link holds, with its time, and the open tunnel is not touched"""
    since = world.first.tunnel()["connectedSinceTimeStamp"]
    report = examine(world)
    equal((report["healthy"], report["brokenLink"]), (True, None), json.dumps(report))
    equal([s["link"] for s in report["steps"]],
          ["dns", "tcp", "proxy", "tls", "clock", "certificate", "upgrade", "subaccount", "tunnel"], "the order")
    equal({s["result"] for s in report["steps"]}, {"ok", "skipped"}, json.dumps(report))
    expect(world.owner in step(report, "subaccount")["found"], "the owner is not named")
    equal(world.first.tunnel()["connectedSinceTimeStamp"], since, "the tunnel's start")
    done = run(world, "doctor")
    equal(done.returncode, 0, done.stdout + done.stderr)
    expect("every link holds" in done.stdout, done.stdout)


def case_proxy_name(world):
    """the name of a corporate proxy that nobody knows"""
    set_proxy(world, "nobody.invalid", 3128)
    broken(world, "dns", "nobody.invalid", "corporate proxy")
    set_proxy(world, None, None)


def case_proxy_refuses(world):
    """a corporate proxy (squid) that wants a password, and one that forbids the port"""
    folder, port = world.sub("squid"), free_ports(1)[0]
    proxy = Squid(folder, port, world.ports.tunnel, "plant", "secret")
    world.programs.append(proxy)
    proxy.start()
    set_proxy(world, "localhost", port)
    broken(world, "proxy", "407", "enter the user and password")
    set_proxy(world, "localhost", port, user="plant", password="wrong")
    broken(world, "proxy", "407", "correct the user and password")
    set_proxy(world, "localhost", port, user="plant", password="secret")
    equal(step(examine(world), "proxy")["result"], "ok", "with the right password")
    proxy.stop()
    broken(world, "tcp", "refused", "corporate proxy running")
    strict = Squid(world.sub("squid-strict"), port, 1)
    world.programs.append(strict)
    strict.start()
    set_proxy(world, "localhost", port)
    broken(world, "proxy", "403", f"allow CONNECT to localhost port {world.ports.tunnel}")
    strict.stop()
    set_proxy(world, None, None)
    wait_for(world.first.connected, "the tunnel", 60)


def subaccount(world, **change):
    path = f"{CLOUD}/subaccounts/{world.subaccount}"
    now = world.console.must("GET", path).json()
    world.console.must("PUT", path, {name: change.get(name, now[name]) for name in (
        "displayName", "subdomain", "description", "locked", "renewalAllowed")})


def case_locked(world):
    """a subaccount that the cloud side has locked"""
    subaccount(world, locked=True)
    report = broken(world, "subaccount", "locked", "unlocks the subaccount")
    equal(step(report, "certificate")["result"], "ok", "the certificate")
    subaccount(world, locked=False)


def case_forced_disconnect(world):
    """a connector that the cloud side has disconnected"""
    connector = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/connectors").json()["items"][0]
    path = f"{CLOUD}/subaccounts/{world.subaccount}/connectors/{connector['instance']}/state"
    world.console.must("PUT", path, {"connected": False})
    broken(world, "subaccount", "disconnect", "forced disconnect")
    world.console.must("PUT", path, {"connected": True})
    wait_for(world.first.connected, "the tunnel", 60)


def case_switched_off(world):
    """a subaccount that was disconnected here"""
    world.disconnect()
    report = broken(world, "tunnel", "disconnected here", "Connect")
    equal(step(report, "subaccount")["result"], "ok", "the cloud side")
    world.connect()


def case_revoked(world):
    """a revoked certificate; a refresh by the owner mends it"""
    rows = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}/certificates").json()["items"]
    world.revoke(rows[0]["serialNumber"])
    broken(world, "certificate", "revoked", "owner refreshes it")
    done = run(world, "doctor", world.subaccount)
    equal(done.returncode, 1, done.stdout + done.stderr)
    expect('the link "certificate" is broken' in done.stdout and "next step:" in done.stdout, done.stdout)
    env = dict(os.environ, DRAWBRIDGE_PASSWORD=world.first.password, DRAWBRIDGE_CLOUD_PASSWORD=world.owner_password)
    done = subprocess.run([world.binary("drawbridge"), "cert", "refresh", world.subaccount, "--cloud-user",
                           world.owner, "--url", f"https://localhost:{world.ports.admin}", "--ca-file",
                           world.first_ca(world.ports.admin)], env=env, capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stdout + done.stderr)
    wait_for(world.first.connected, "the tunnel", 60)
    equal(examine(world)["healthy"], True, "after the refresh")


class Impostor:
    """Something else on the tunnel's port: TLS with a certificate of another CA, or no TLS."""

    def __init__(self, port, certificate=None):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            with connection:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def case_impostors(world):
    """the cloud side is away; another CA answers in its place; something without TLS answers"""
    world.cloud.stop()
    broken(world, "tcp", "refused", "is the port right, and is the cloud side running?")
    other = Impostor(world.ports.tunnel, self_signed(world.sub("impostor"), "localhost"))
    broken(world, "tls", "public key SHA-256", "another CA than the known one")
    other.close()
    other = Impostor(world.ports.tunnel)
    broken(world, "tls", "TLS", f"is localhost port {world.ports.tunnel} the tunnel port")
    other.close()
    world.start_cloud()
    wait_for(world.first.connected, "the tunnel", 60)
    equal(examine(world)["healthy"], True, "when the cloud side is back")


def case_no_connector(world):
    """without a running connector the command line says that"""
    done = run(world, "doctor", port=free_ports(1)[0])
    equal(done.returncode, 1, done.stdout + done.stderr)
    expect("does not answer at" in done.stderr and "is it running?" in done.stderr, done.stderr)


def case_certificates(world):
    """cert list shows every certificate with its remaining life, and can fail a monitoring job"""
    done = run(world, "cert", "list")
    equal(done.returncode, 0, done.stderr)
    expect("certificate of subaccount" in done.stdout and "certificate of the administration" in done.stdout,
           done.stdout)
    done = run(world, "cert", "list", "--expiring-within", "400d", "--fail-on-expiry")
    equal(done.returncode, 1, done.stdout + done.stderr)
    equal(run(world, "cert", "list", "--expiring-within", "30d", "--fail-on-expiry").returncode, 0, "within 30 days")
