"""What an operator's machines look at: health, numbers, logs in JSON, and the words to systemd."""
import http.client
import json
import os
import re
import signal
import socket

from stage import Answer, ProxyClient, equal, expect, wait_for

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^{}]*\})? (-?[0-9.eE+]+|NaN|[+-]Inf)$')
LABEL = re.compile(r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(,|$)')


class Listener:
    """The socket that systemd would give: keeps what is said to it."""

    def __init__(self, path):
        self.path, self.words = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.settimeout(0.05)

    def heard(self, word):
        try:
            while True:
                self.words += self.socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return word in self.words


def scene(world):
    world.options = {"cloud": ["--log-format", "json"],
                     "connector": ["--log-format=json", "--listen-metrics",
                                   f"127.0.0.1:{world.ports.connector_metrics}"]}
    world.listener = Listener(os.path.join(world.folder, "notify"))
    os.environ["NOTIFY_SOCKET"] = world.listener.path
    try:
        world.bring_up()
    finally:
        del os.environ["NOTIFY_SOCKET"]


def plain(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    result = Answer(answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return result


def ports(world):
    return {"cloud": world.ports.metrics, "connector": world.ports.connector_metrics}


def read(text):
    """The samples of a page in the text form of Prometheus; every break of its rules is a failure."""
    expect(text.endswith("\n"), "the last line has no end")
    kinds, helps, samples, closed, current = {}, {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            expect(word in ("HELP", "TYPE"), f"strange comment: {line}")
            table = helps if word == "HELP" else kinds
            expect(name not in table, f"{word} of {name} twice")
            expect(word == "HELP" or rest in ("counter", "gauge", "histogram", "summary"), line)
            expect(rest.strip(), f"empty {word} of {name}")
            table[name] = rest
            if name != current:
                expect(name not in closed, f"the lines of {name} do not stand together")
                closed.add(current)
                current = name
            continue
        match = SAMPLE.fullmatch(line)
        expect(match, f"no sample: {line!r}")
        name, labels = match.group(1), (match.group(2) or "")[1:-1]
        expect(not labels or "".join(m.group(0) for m in LABEL.finditer(labels)) == labels, f"labels: {line!r}")
        family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
        expect(family in kinds and family in helps, f"{name} has no HELP or no TYPE before it")
        equal(family, current, f"the lines of {family} do not stand together")
        expect((name, labels) not in samples, f"twice: {line}")
        expect(kinds[family] != "counter" or name.endswith("_total"), f"a counter without _total: {name}")
        samples[name, labels] = float(match.group(3))
    expect(set(kinds) == set(helps), f"HELP or TYPE alone: {set(kinds) ^ set(helps)}")
    return samples


def case_healthy(world):
    """/healthz and /readyz answer 200 on the metrics listeners of both programs"""
    for name, port in ports(world).items():
        for path in ("/healthz", "/readyz"):
            equal(plain(port, path).status, 200, f"{name} {path}")


def case_metrics(world):
    """/metrics of both programs keeps every rule of the text form, and its numbers move"""
    for name, port in ports(world).items():
        answer = plain(port, "/metrics")
        equal(answer.status, 200, f"{name}: {answer}")
        expect(answer.headers.get("content-type", answer.headers.get("Content-Type", ""))
               .startswith("text/plain; version=0.0.4"), f"{name}: {answer.headers}")
        samples = read(answer.text)
        expect(any(key[0] == "drawbridge_build_info" for key in samples), "no build_info")
        expect(all(key[0].startswith("drawbridge_") for key in samples), f"strange names: {list(samples)}")
    before = {name: read(plain(port, "/metrics").text) for name, port in ports(world).items()}
    client = world.client()
    for _ in range(5):
        equal(client.get(world.url("/public/hello.txt")).status, 200, "a request")
    ProxyClient(world.ports.proxy, None).get(world.url("/public/hello.txt"))
    client.get(world.url("/secret/plan.txt"))
    after = {name: read(plain(port, "/metrics").text) for name, port in ports(world).items()}
    for name, samples in after.items():
        lost = set(before[name]) - set(samples)
        expect(not lost, f"{name}: gone: {lost}")
        moved = {key: value - before[name].get(key, 0) for key, value in samples.items()
                 if key[0].endswith("_total") and value != before[name].get(key, 0)}
        expect(all(value > 0 for value in moved.values()), f"{name}: a counter went back: {moved}")
        expect(any("requests" in key[0] and value >= 5 for key, value in moved.items()),
               f"{name}: no counter of requests moved by 5: {moved}")


def whole_lines(program):
    """All of its log; None while a line is being written."""
    with open(program.log_path, encoding="utf-8") as f:
        text = f.read()
    return text.splitlines() if text.endswith("\n") else None


def case_json_logs(world):
    """with log.format json every line of every process is one JSON object with time, level and text"""
    for name in ("cloud", "connector"):
        getattr(world, name).kill_named("drawbridge-keyd")
    equal(world.token_answer().status, 200, "a token")
    wait_for(lambda: world.state() == "Connected", "the tunnel")
    for name in ("cloud", "connector"):
        program = getattr(world, name)
        lines = wait_for(lambda: whole_lines(program), f"the end of the last line of {name}")
        for line in lines:
            row = json.loads(line)
            expect(isinstance(row, dict), f"{name}: {line}")
            expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(row.get("time"))), f"{name}: {line}")
            expect(row.get("level") in ("error", "warning", "info", "debug"), f"{name}: {line}")
            expect(row.get("msg") or row.get("message") or row.get("text"), f"{name}: {line}")
        expect(len(lines) > 2, f"{name}: {len(lines)} lines")


def case_systemd(world):
    """systemd hears READY=1 after the start and STOPPING=1 when the end begins; the status is 0"""
    equal(world.listener.words.count("READY=1") if world.listener.heard("READY=1") else 0, 2, "READY=1")
    expect(not world.listener.heard("STOPPING=1"), "STOPPING=1 while it runs")
    equal(world.connector.stop(), 0, "the connector's exit status")
    expect(world.listener.heard("STOPPING=1"), "no STOPPING=1 of the connector")
    world.listener.words.clear()
    equal(world.cloud.stop(signal.SIGINT), 0, "the cloud's exit status at SIGINT")
    expect(world.listener.heard("STOPPING=1"), "no STOPPING=1 of the cloud side")
