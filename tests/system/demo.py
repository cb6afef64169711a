#!/usr/bin/python3
"""The demo: starts the cloud side, a connector and a real server on loopback, and walks through the story.

Each step prints one line, "ok 0.4 ..." or "not ok 0.4 ..." with the logs. Then everything stays up, with
its addresses and the generated credentials, until Ctrl-C.
"""
import argparse
import hashlib
import http.client
import os
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import demo_keystore  # noqa: E402
import demo_refresh  # noqa: E402
from stage import Failure, Load, ProxyClient, equal, expect, wait_for  # noqa: E402
from world import CLOUD, World, Ports  # noqa: E402

BIG = 100  # megabytes


class Walk:
    """Steps in order; one that fails does not keep the later ones from being tried, unless they need it."""

    def __init__(self, world):
        self.world, self.bad, self.tried = world, 0, 0
        self.chapter, self.number = 0, 0
        self.stopped = False

    def begin(self, chapter):
        self.chapter, self.number = chapter, 0

    def step(self, sentence, fn, needed=False):
        self.number += 1
        self.tried += 1
        name = f"{self.chapter}.{self.number}"
        if self.stopped:
            print(f"not ok {name} {sentence}: not tried, an earlier step is needed", flush=True)
            self.bad += 1
            return
        try:
            seen = fn()
            print(f"ok {name} {sentence}{': ' + seen if seen else ''}", flush=True)
        except KeyboardInterrupt:
            raise
        except Exception as reason:  # whatever fails is a line and the logs
            self.bad += 1
            self.stopped = needed
            print(f"not ok {name} {sentence}: {reason}", flush=True)
            for program in self.world.programs:
                print(f"    --- {program.name}, the end of its log")
                print("".join("    " + line + "\n" for line in program.log(15).splitlines()), end="",
                      flush=True)


class Story:
    def __init__(self, world):
        self.w = world
        self.client = None

    def cloud(self):
        self.w.start_cloud()
        self.w.first_start_of_cloud()
        return f"https://localhost:{self.w.ports.console}"

    def subaccount(self):
        made = self.w.create_owner_and_subaccount()
        self.w.create_service_key()
        return f"{made['displayName']} {made['id']}, owner {self.w.owner}"

    def enrol(self):
        self.w.start_connector()
        self.w.first.first_start()
        answer = self.w.first.add_subaccount(data=self.w.authentication_data())
        if answer.status != 201:
            raise Failure(f"{answer}")
        wait_for(self.w.first.connected, "the tunnel", 60)
        return f"https://localhost:{self.w.ports.admin}"

    def expose(self):
        self.w.start_backend()
        self.w.map(self.w.virtual, f"127.0.0.1:{self.w.ports.backend}", "/public/hello.txt", exact=True)
        self.client = ProxyClient(self.w.ports.proxy, self.w.token())
        return f"{self.w.virtual} is 127.0.0.1:{self.w.ports.backend}, only /public/hello.txt"

    def fetch(self):
        answer = self.client.get(self.w.url("/public/hello.txt"))
        equal((answer.status, answer.body), (200, b"hello from inside the plant\n"), "answer")
        expect("nginx" in answer.headers.get("Server", ""), "not nginx's answer")
        return f"200, {answer.text.strip()!r} from {answer.headers['Server']}"

    def refused(self):
        answer = self.client.get(self.w.url("/secret/plan.txt"))
        equal(answer.status, 403, f"saw {answer}")
        expect("/secret/plan.txt" in answer.text, f"the rule is not named: {answer}")
        return answer.text.strip().splitlines()[0][:150]

    def no_token(self):
        answer = ProxyClient(self.w.ports.proxy, None).get(self.w.url("/public/hello.txt"))
        equal(answer.status, 407, f"saw {answer}")
        return "407"

    def download(self):
        self.w.first.expose(self.w.virtual, "/public/big.bin", exact=True)
        wanted = self.w.backend.make_big("public/big.bin", BIG)
        digest, size = hashlib.sha256(), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.w.ports.proxy, timeout=120)
        connection.request("GET", self.w.url("/public/big.bin"), headers=self.client.fields())
        answer = connection.getresponse()
        equal(answer.status, 200, "status")
        start = time.monotonic()
        while piece := answer.read(1 << 18):
            digest.update(piece)
            size += len(piece)
        connection.close()
        equal(digest.hexdigest(), wanted, "checksum")
        return f"{size >> 20} MB in {time.monotonic() - start:.1f} s, SHA-256 {wanted[:12]}…"

    def upload(self):
        self.w.first.expose(self.w.virtual, "/upload")
        source = os.path.join(self.w.backend.root, "public/big.bin")
        with open(source, "rb") as f:
            connection = http.client.HTTPConnection("127.0.0.1", self.w.ports.proxy, timeout=120)
            start = time.monotonic()
            connection.request("PUT", self.w.url("/upload/big.bin"), body=f,
                               headers=self.client.fields({"Content-Length": str(os.path.getsize(source))}))
            answer = connection.getresponse()
            answer.read()
        expect(answer.status in (201, 204), f"saw {answer.status}")
        equal(self.w.backend.digest("upload/big.bin"), self.w.backend.digest("public/big.bin"), "checksum")
        return f"{os.path.getsize(source) >> 20} MB in {time.monotonic() - start:.1f} s"

    def disconnect(self):
        self.w.disconnect()
        answer = self.client.get(self.w.url("/public/hello.txt"))
        equal(answer.status, 503, f"saw {answer}")
        expect(self.w.subaccount in answer.text, f"the reason is not told: {answer}")
        return f"503, {answer.text.strip().splitlines()[0][:150]}"

    def connect(self):
        self.w.connect()
        equal(self.client.get(self.w.url("/public/hello.txt")).status, 200, "a request after that")

    def restart(self):
        token = self.w.token()
        load = Load(lambda: ProxyClient(self.w.ports.proxy, token), self.w.url("/public/hello.txt"), 8)
        wait_for(lambda: load.ok > 200, "the load getting going")
        status = self.w.cloud.stop()
        gone = time.monotonic()
        equal(status, 0, "the relay's exit status")
        self.w.start_cloud()
        client = ProxyClient(self.w.ports.proxy, token)

        def again():
            answer = client.get(self.w.url("/public/hello.txt"))
            client.close()
            return answer.status == 200
        wait_for(again, "requests served again")
        back = time.monotonic() - gone
        time.sleep(0.5)
        load.stop()
        # Refused connections and 503 while no relay or no tunnel was there are answered requests; what
        # would be lost is a request that was taken and never answered.
        lost = {r: n for r, n in load.reasons.items() if not r.startswith(("503", "ConnectionRefused"))}
        expect(not lost, f"lost requests: {lost}")
        return (f"{load.ok} served, 0 lost in flight, {load.failed} turned away while it was gone, "
                f"served again after {back:.1f} s")

    def show(self):
        tunnel = self.w.first.tunnel()
        certificate = tunnel["subaccountCertificate"]
        listed = self.w.console.must("GET", f"{CLOUD}/subaccounts/{self.w.subaccount}/connectors").json()
        connector = listed["items"][0]
        expect(connector["connected"] and connector["tunnels"] >= 1, f"not shown as connected: {connector}")
        days = (certificate["notAfterTimeStamp"] / 1000 - time.time()) / 86400
        return (f"{certificate['subjectDN']} by {certificate['issuer']}, {days:.0f} days left, "
                f"{connector['tunnels']} tunnel(s)")


def walk(world):
    story, steps = Story(world), Walk(world)
    steps.step("the cloud side starts; the setup code is replaced by a password", story.cloud, True)
    steps.step("a subaccount, its owner and a service key are created", story.subaccount, True)
    steps.step("a connector starts, enrols with one-time authentication data and opens its tunnel",
               story.enrol, True)
    steps.step("one path of a real nginx is exposed", story.expose, True)
    steps.step("the application fetches it through 20003 with a token", story.fetch)
    steps.step("a path that is not exposed is refused with the rule named (403)", story.refused)
    steps.step("a request without a token is refused", story.no_token)
    steps.step(f"{BIG} MB come down with a matching checksum", story.download)
    steps.step(f"{BIG} MB go up with a matching checksum", story.upload)
    steps.step("after disconnect the application is told why", story.disconnect)
    steps.step("after connect it works again", story.connect)
    steps.step("the relay is restarted under load", story.restart)
    steps.step("certificate and tunnels are shown", story.show)
    demo_refresh.walk(steps, world)
    demo_keystore.walk(steps, world)
    return steps


def tell(world):
    p = world.ports
    print(f"""
Everything is running; Ctrl-C ends it.

  console and APIs    https://localhost:{p.console}   {'Administrator'} / {world.cloud_password}
  owner               {world.owner} / {world.owner_password}
  connector           https://localhost:{p.admin}   {'Administrator'} / {world.connector_password}
  subaccount          {world.subaccount}
  metrics             http://127.0.0.1:{p.metrics}/metrics
  state and logs      {world.folder}

The programs are in {world.build}/src/programs. The client asks for the password above, and says
once which --root-pin to give, because no system store knows these roots:

  drawbridge --url https://localhost:{p.admin} connector status
  drawbridge --url https://localhost:{p.console} cloud connector list {world.subaccount}

Fetch the exposed file as an application does:

  TOKEN=$(curl -sk https://localhost:{p.console}/oauth/token -d grant_type=client_credentials \\
    --data-urlencode 'client_id={world.key['clientid']}' \\
    --data-urlencode 'client_secret={world.key['clientsecret']}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -x http://127.0.0.1:{p.proxy} --proxy-header "Proxy-Authorization: Bearer $TOKEN" \\
    {world.url('/public/hello.txt')}
""", flush=True)


def can_listen(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true",
                        help="end after the walk; status 0 only if every step held")
    parser.add_argument("--port-base", type=int, metavar="N", help="use the ports from N on (default: free ones)")
    parser.add_argument("--state", metavar="DIR", help="keep the state in DIR (it must be empty or absent)")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port_base is not None and not 1024 <= options.port_base <= 65000:
        parser.error("--port-base: a number from 1024 to 65000")
    if options.state and os.path.isdir(options.state) and os.listdir(options.state):
        parser.error(f"--state: {options.state} is not empty; name a new folder")
    if options.state and os.path.exists(options.state) and not os.path.isdir(options.state):
        parser.error(f"--state: {options.state} is no folder")
    if options.state:
        try:
            os.makedirs(options.state, exist_ok=True)
        except OSError as reason:
            parser.error(f"--state: {reason}")
    ports = Ports(options.port_base)
    for name in ports.NAMES:
        if not can_listen(getattr(ports, name)):
            parser.error(f"--port-base: port {getattr(ports, name)} ({name}) is taken")
    folder = os.path.abspath(options.state) if options.state else tempfile.mkdtemp(prefix="drawbridge-demo-")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    world = World(options.build, folder=folder, ports=ports)
    demo_refresh.prepare(world)
    demo_keystore.prepare(world)
    status = 1
    try:
        steps = walk(world)
        status = 1 if steps.bad else 0
        print(f"{steps.tried - steps.bad} passed, {steps.bad} failed", flush=True)
        if not options.once and not steps.stopped:
            tell(world)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        print("\nending")
    finally:
        for problem in world.close():
            print(f"not ok at the end: {problem}")
            status = status or 1
        if not options.state:
            shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
