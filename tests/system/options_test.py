"""What is settable is obeyed: settings at SIGHUP, limits, the setup code, the denied attempts."""
import contextlib
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import time

from stage import Failure, Program, ProxyClient, Rest, equal, expect, raw_exchange, wait_for
from world import CLOUD, CONNECTOR, SANITIZER


def replace(path, text):
    """As editors and package managers do: another file is renamed over the old one."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


CLOUD_TEXT = "client.head.timeout = 2s\nclient.idle.timeout = 3s\nanswer.timeout = 4s\n"
CONNECTOR_TEXT = "backend.answer.timeout = 60s\n"


def scene(world):
    world.files = {name: os.path.join(world.sub("conf-" + name), "settings.conf")
                   for name in ("cloud", "connector")}
    replace(world.files["cloud"], CLOUD_TEXT)
    replace(world.files["connector"], CONNECTOR_TEXT)
    world.options = {name: ["--config", path] for name, path in world.files.items()}
    world.bring_up()


def hup(world, name, awaited):
    """SIGHUP to the monitor; waits for a line of the log that was not there before."""
    program = getattr(world, name)
    before = program.log(100000).count(awaited)
    os.kill(program.pid, signal.SIGHUP)
    wait_for(lambda: program.log(100000).count(awaited) > before, f"\"{awaited}\" in the log of {name}", 60)
    return program.log(100000)


def served(port):
    """The certificate that a listener shows now, DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True)


def took(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def case_slow_head(world):
    """client.head.timeout: a head that does not come in time is 408"""
    answer = raw_exchange(world.ports.proxy, b"GET http://erp.virtual/ HT", seconds=30)
    expect(answer.startswith(b"HTTP/1.1 408"), f"{answer[:200]}")


def case_idle_client(world):
    """client.idle.timeout: a connection without a request is closed"""
    seconds = took(lambda: raw_exchange(world.ports.proxy, b"", seconds=60))
    expect(2 < seconds < 30, f"closed after {seconds:.1f} s, wanted 3")


def case_silent_answer(world):
    """answer.timeout: a back end that never answers gives 504 from the relay when it is the sooner one"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        world.map("silent.virtual:80", f"127.0.0.1:{port}", "/")
        client = world.client()
        answer = client.get("http://silent.virtual/")
        equal(answer.status, 504, f"{answer}")
        expect("No answer came through the tunnel for 4 s" in answer.text, answer.text)
        client.close()
    world.unmap("silent.virtual:80")


def case_setup_code(world):
    """the setup codes are gone after the passwords were changed, and are not made anew at a start"""
    paths = [os.path.join(world.folder, name, "setup-code") for name in ("cloud", "connector")]
    expect(not any(map(os.path.exists, paths)), f"still there: {[p for p in paths if os.path.exists(p)]}")
    world.cloud.stop()
    world.start_cloud()
    expect(not os.path.exists(paths[0]), "made anew by the second start")
    wait_for(world.first.connected, "the tunnel", 60)


def case_reload_live(world):
    """SIGHUP: a file renamed over the old one is read, live settings change without a restart"""
    pid, before = world.server_pid("cloud"), served(world.ports.console)
    replace(world.files["cloud"], CLOUD_TEXT + "token.validity = 77s\nserver.names = localhost, other.example\n"
            "proxy.host = proxy.example\ncertificate.validity = 10d\n")
    hup(world, "cloud", "settings were read again")
    equal(world.token_answer().json()["expires_in"], 77, "the life of tokens")
    wait_for(lambda: served(world.ports.console) != before, "another certificate of the console")
    expect(b"other.example" in served(world.ports.console), "the new name is not in the certificate")
    wait_for(lambda: b"other.example" in served(world.ports.tunnel), "the new name in the tunnel listener's")
    key = world.console.must("POST", f"{CLOUD}/subaccounts/{world.subaccount}/service-keys",
                             {"name": "after"}).json()["credentials"]
    equal(key["onpremise_proxy_host"], "proxy.example", "the proxy's host in a service key")
    equal(world.server_pid("cloud"), pid, "the server process")
    replace(world.files["cloud"], CLOUD_TEXT)
    hup(world, "cloud", "settings were read again")
    equal(world.token_answer().json()["expires_in"], 3600, "the default again")


def case_reload_restart(world):
    """SIGHUP: what needs a restart is named, and stays as it was"""
    replace(world.files["cloud"], CLOUD_TEXT.replace("2s", "9s") + "job.threads = 5\n")
    log = hup(world, "cloud", "these settings wait for a restart")
    expect("job.threads, client.head.timeout" in log, log[-800:])
    equal(ProxyClient(world.ports.proxy, world.token()).get(world.url("/public/hello.txt")).status, 200, "a request")
    replace(world.files["cloud"], CLOUD_TEXT)


def case_reload_bad(world):
    """SIGHUP: a bad file is refused whole, and the old settings stay"""
    for text in ("token.validity = 88s\nno.such.key = 1\n", "token.validity = 88s\nlog.level = loud\n",
                 "token.validity = 88s\nlog.format =\n", "token.validity = 88s\ncertificate.expired.tunnels =\n",
                 "token.validity = 88s\ntoken.validity = 5\n", "token.validity = 88s\nrole = relay\n",
                 "token.validity = 88s\ncertificate.validity = 1s\n",
                 "token.validity = 88s\nwebhook.url = http://elsewhere.example/\n"):
        replace(world.files["cloud"], CLOUD_TEXT + text)
        hup(world, "cloud", "the old ones stay")
        equal(world.token_answer().json()["expires_in"], 3600, f"the life of tokens after {text!r}")
    replace(world.files["cloud"], CLOUD_TEXT)


def case_reload_connector(world):
    """SIGHUP on the connector: the names of its certificate and the trusted anchors change live"""
    before = served(world.ports.admin)
    anchors = os.path.join(os.path.dirname(world.files["connector"]), "anchors.pem")
    replace(anchors, open(world.first_ca(world.ports.tunnel)).read())
    replace(world.files["connector"], CONNECTOR_TEXT + "server.names = localhost, plant.example\n")
    hup(world, "connector", "settings were read again")
    wait_for(lambda: served(world.ports.admin) != before, "another certificate of the administration")
    expect(b"plant.example" in served(world.ports.admin), "the new name is not in the certificate")
    replace(world.files["connector"], CONNECTOR_TEXT + "trust.file = /no/such/file\n")
    hup(world, "connector", "the old ones stay")
    replace(world.files["connector"], CONNECTOR_TEXT + f"trust.file = {anchors}\n")
    hup(world, "connector", "settings were read again")
    wait_for(world.first.connected, "the tunnel", 30)
    equal(world.client().get(world.url("/public/hello.txt")).status, 200, "a request")
    replace(world.files["connector"], CONNECTOR_TEXT)
    hup(world, "connector", "settings were read again")


def case_role_relay(world):
    """--role relay says plainly that it is not there yet, and ends"""
    program = Program("relay", world.cloud_command() + ["--role", "relay"], world.folder, env=SANITIZER)
    program.start()
    wait_for(lambda: not program.running(), "its end")
    expect("role relay is not there yet" in program.log(), program.log())


def denied(world, name):
    """Rows of denied attempts in a program's database: {(what, object, after)}."""
    with contextlib.closing(sqlite3.connect(world.state_file(name))) as db:
        return db.execute("SELECT what, object, became, who, origin FROM denied").fetchall()


def verified(world, name):
    """Rows of the audit chains; a Failure when one does not hold."""
    program = os.path.join(world.build, "tests", "verify_audit")
    done = subprocess.run([program, "sqlite:" + world.state_file(name)], capture_output=True, text=True,
                          env=dict(os.environ, **SANITIZER))
    equal(done.returncode, 0, done.stderr)
    return int(done.stdout)


def case_denied_attempts(world):
    """denied paths, wrong passwords, secrets and tokens, and refused tunnels are in the audit, whose chains hold"""
    client = world.client()
    equal(client.get(world.url("/secret?x=1")).status, 403, "a path that is not exposed")
    equal(Rest(world.ports.admin, "eve", "guess").call("GET", CONNECTOR + "/connector").status, 401, "the connector")
    equal(Rest(world.ports.console, "eve@x", "guess").call("GET", CLOUD + "/session").status, 401, "the console")
    equal(ProxyClient(world.ports.proxy, "no.good.token").get(world.url("/")).status, 407, "a bad token")
    equal(world.token_answer(dict(world.key, clientsecret="guess")).status, 401, "a wrong secret")
    world.revoke(world.certificate()["serialNumber"])
    wanted = {"connector": [("access denied GET", "/secret"), ("denied GET", "")],
              "cloud": [("denied GET", "/session"), ("denied proxy request", "http://"),
                        ("denied token", "/oauth/token"), ("denied tunnel", "")]}
    for name, rows in wanted.items():
        def missing():
            there = denied(world, name)
            return [w for w in rows if not any(r[0].startswith(w[0]) and w[1] in r[1] for r in there)]
        try:
            wait_for(lambda: not missing(), f"the denied attempts of {name}", 60)
        except Failure as late:
            raise Failure(f"{late}; missing {missing()} of {denied(world, name)}")
        expect(verified(world, name) > len(rows), "the chains are too short")
    expect(any("no exposed" in r[2] or "resource" in r[2] or "path" in r[2] for r in denied(world, "connector")),
           f"no reason: {denied(world, 'connector')}")
    changes = world.console.must("GET", f"{CLOUD}/audit?limit=1000").json()["items"]
    expect(any(r["what"] == "subaccount.create" for r in changes), f"no change is shown: {changes[:3]}")
    with contextlib.closing(sqlite3.connect(world.state_file("connector"), timeout=30)) as db:
        db.execute("UPDATE denied SET object = 'GET /public' WHERE n = 1")
        db.commit()
    try:
        verified(world, "connector")
    except Failure:
        return
    raise Failure("a changed row was not found")


def case_metrics(world):
    """/metrics has the numbers of EST, tokens, each listener, the key process and waiting jobs, with HELP and TYPE"""
    world.token()
    world.replace_subaccount()  # the case before revoked its certificate, and restarts began the counters anew
    rows = world.metrics().text.splitlines()
    names = {r.split("{")[0].split(" ")[0] for r in rows if r and not r.startswith("#")}
    for kind in ("HELP", "TYPE"):
        said = [r.split()[2] for r in rows if r.startswith("# " + kind)]
        equal(sorted(said), sorted(names), f"names with {kind}, each once")
    values = dict(r.rsplit(" ", 1) for r in rows if r and not r.startswith("#"))
    for name in ("est_enrolled_total", "tokens_issued_total", "keys_calls_total",
                 'http_requests_total{listener="console"}', 'http_requests_total{listener="tunnel"}'):
        expect(int(values["drawbridge_" + name]) > 0, f"{name} is 0")
    for name in ("est_renewed_total", "est_refused_total", "tokens_refused_total", "keys_repeated_total",
                 "keys_refused_total", "keys_replaced_total", 'jobs_waiting{pool="jobs"}',
                 'http_connections{listener="metrics"}', "relay_silent_answers_total"):
        expect("drawbridge_" + name in values, f"{name} is missing")
