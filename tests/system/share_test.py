"""What takes long has threads of its own, and one tenant never all of them: slow uploads stall no login, no list, no
enrolment and no other tenant; on the connector, a cloud side that hangs does not stall the administration.
"""
import contextlib
import http.client
import os
import signal
import threading

from connection_test import other_tenant
from keystore_crash_test import victims
from stage import Rest, equal, expect, free_ports, wait_for
from tenant import Tenant, b64
from world import ADMIN, CLOUD, CONNECTOR

DATABASES = ("sqlite",)
THREADS, QUEUE = 4, 32  # the defaults of slow.threads and slow.queue.max
SHARE, WAITING = THREADS // 2, QUEUE // 2


def scene(world):
    world.options["connector"] = ["--listen-metrics", f"127.0.0.1:{world.ports.connector_metrics}"]
    world.bring_up()
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}/members/{ADMIN}",
                       {"roles": ["AuthGroup.Administrator"]})
    world.mine = Tenant(world, ADMIN, world.cloud_password)
    world.yours = other_tenant(world, "Second")
    for tenant in (world.mine, world.yours):
        tenant.fetch()


def slow(port):
    """Requests that have a slow thread, and that wait for one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()

    def number(name):
        return int(next(x for x in text.splitlines() if x.startswith(f'drawbridge_{name}{{pool="slow"}} ')).split()[1])
    return number("jobs_running"), number("jobs_waiting")


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def started(n, work):
    threads = [threading.Thread(target=work, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads


def upload(tenant):
    """A container that is none."""
    return tenant.rest.call("POST", tenant.service + "/KeyPairResources?fingerprintVerified=true",
                            {"Hexalias": "00", "Alias": "bad", "Password": "x", "Resource": b64(b"no container")},
                            headers=tenant.fields(tenant.session), timeout=600)


def case_uploads(world):
    """one tenant's uploads that do not end fill its share: what else there is goes on, and one more is refused by name"""
    nursery, answers = victims(world)["nursery"][0], []
    with stopped(nursery):
        threads = started(SHARE + WAITING, lambda: answers.append(upload(world.mine)))
        wait_for(lambda: slow(world.ports.metrics) == (SHARE, WAITING), "the tenant's share, full")
        refused = upload(world.mine)
        equal(refused.status, 503, f"one more: {refused}")
        expect("slow.queue.max" in refused.json()["error"]["message"]["value"], f"the limit's name: {refused}")
        expect(int(refused.headers["Retry-After"]) > 0, f"when to come again: {refused}")
        equal(world.yours.own("GET", "/verify").status, 200, "what is slow of another tenant")
        for _ in range(2 * THREADS):
            equal(Rest(world.ports.console, ADMIN, world.cloud_password).call("GET", CLOUD + "/subaccounts").status,
                  200, "a list, by who logs in for it")
            equal(world.token_answer().status, 200, "a token")
        for tenant in (world.mine, world.yours):
            equal(tenant.get("/KeystoreEntries").status, 200, "the entries")
        world.admin.must("POST", world.subaccount_path("/validity"),
                         {"authenticationData": world.authentication_data()})
    for thread in threads:
        thread.join()
    equal({answer.status in (400, 413, 415) for answer in answers}, {True}, f"each by its own reason: {answers}")
    equal(len(answers), SHARE + WAITING, "answers")


def case_key_process(world):
    """uploads beyond what the key process opens at once are told to come again, not that they are too large"""
    stages, answers = 4, []
    world.cloud.stop()
    world.cloud.command += ["--slow-threads", str(4 * stages)]
    world.start_cloud()
    world.mine.session = None
    world.mine.fetch()
    with stopped(victims(world)["nursery"][0]):
        threads = started(2 * stages, lambda: answers.append(upload(world.mine)))
        wait_for(lambda: len(answers) == stages, "those without a place", 60)
        for answer in answers:
            equal(answer.status, 503, f"without a place: {answer}")
            expect("KEYS_STAGES_MAX" in answer.text and int(answer.headers["Retry-After"]) > 0, f"the reason: {answer}")
    for thread in threads:
        thread.join()
    equal({answer.status in (400, 413, 415) for answer in answers[stages:]}, {True}, f"those with one: {answers}")
    wait_for(world.first.connected, "the tunnel", 60)


def case_connector(world):
    """diagnoses and refreshes of a cloud side that hangs leave the administration alone, and other region hosts"""
    done = threading.Event()

    def diagnose():
        """Again and again: each ends by a limit of its own."""
        while not done.is_set():
            world.admin.call("POST", f"/api/drawbridge/v1/subaccounts/{world.region}/{world.subaccount}/diagnosis", {},
                             timeout=600)
    with stopped(world.server_pid("cloud")):
        threads = started(2 * THREADS, diagnose)
        wait_for(lambda: slow(world.ports.connector_metrics) == (SHARE, 2 * THREADS - SHARE), "the share, full")
        for _ in range(2 * THREADS):
            fresh = Rest(world.ports.admin, ADMIN, world.first.password)
            equal(fresh.call("GET", CONNECTOR + "/subaccounts").status, 200, "the list")
        elsewhere = f"localhost:{free_ports(1)[0]}"
        answer = world.admin.call("POST", CONNECTOR + "/subaccounts", {
            "regionHost": elsewhere, "subaccount": world.subaccount, "cloudUser": "olga", "cloudPassword": "x"})
        expect(answer.status >= 400 and answer.status != 503, f"a region host where nobody is: {answer}")
        done.set()
    for thread in threads:
        thread.join()
    wait_for(world.first.connected, "the tunnel", 60)
