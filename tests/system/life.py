"""Words of tests about the life of a subaccount certificate: its state, its renewal, the settings."""
import os
import shutil

from pieces import LiveSettings
from stage import free_ports, wait_for
from world import Installation

OWN = "/api/drawbridge/v1/subaccounts"
CLOUD = "/api/drawbridge/v1"


def settings(world, validity="365d", **more):
    world.live.set(certificate_validity=validity, **more)


def use_live_settings(world):
    world.live = LiveSettings(world)
    world.bring_up()


def own(world, installation=None):
    admin = (installation or world.first).admin
    return admin.must("GET", f"{OWN}/{world.region}/{world.subaccount}").json()


def renewal(world):
    return own(world)["renewal"]


def switch(world, on):
    world.admin.must("PUT", f"{OWN}/{world.region}/{world.subaccount}/renewal", {"enabled": on})


def allow(world, on):
    world.console.must("PUT", f"{CLOUD}/subaccounts/{world.subaccount}", {"renewalAllowed": on})


def refresh(world, installation=None):
    one = installation or world.first
    answer = one.admin.must("POST", one.path("/validity"),
                            {"user": world.owner, "password": world.owner_password}, wanted=(200,))
    return answer.json()["tunnel"]["subaccountCertificate"]["serialNumber"]


def serial(world):
    return own(world)["certificate"]["serialNumber"]


def settled(world, installation=None):
    """Connected, with a certificate that the cloud side confirmed."""
    def check():
        seen = own(world, installation)
        return seen["state"] == "Connected" and seen["certificateConfirmed"]
    wait_for(check, "the tunnel with the new certificate")


def short_lived(world, validity, **more):
    """A tunnel with a certificate that ends in a moment; one that ended before its tunnel is made again."""
    settings(world, validity, **more)

    def ready():
        refresh(world)

        def check():
            seen = own(world)
            if seen["state"] == "Connected" and seen["certificateConfirmed"]:
                return "settled"
            return "too late" if seen["certificate"]["state"] == "expired" else None
        return wait_for(check, "the tunnel, or the end of its certificate") == "settled"
    wait_for(ready, f"a tunnel within {validity}", 120)


def state_is(world, state, part, installation=None):
    """What is shown as soon as the certificate's state is that, with this part in its reason."""
    def check():
        seen = own(world, installation)
        return seen if seen["certificate"]["state"] == state and part in seen["certificate"]["reason"] else None
    return wait_for(check, f"the state {state} with \"{part}\" ({own(world, installation)})", 40)


def redial(world):
    """Closes the tunnels from this side and dials anew."""
    world.admin.must("PUT", world.subaccount_path("/state"), {"connected": False})
    wait_for(lambda: own(world)["state"] == "Disconnected", "the tunnel going down")
    world.admin.must("PUT", world.subaccount_path("/state"), {"connected": True})


def audit_has(rest, what, part=""):
    """Whether the log of changes of either program has a row `what` that names `part`."""
    return any(row["what"] == what and part in str(row) for row in
               rest.must("GET", f"{CLOUD}/audit?limit=200").json()["items"])


def denied(world):
    """The cloud side's denied attempts; they are written once a second."""
    return world.console.must("GET", f"{CLOUD}/audit/denied?limit=200").json()["items"]


def copy_of(world, name):
    """Another machine with a copy of this one's state, taken now."""
    twin = Installation(world, name + os.urandom(3).hex(), free_ports(1)[0])
    twin.admin.password = twin.password = world.first.password
    shutil.rmtree(twin.state_dir)
    shutil.copytree(world.first.state_dir, twin.state_dir)
    shutil.copytree(world.sub(world.first.name + "-key"), world.sub(twin.name + "-key"), dirs_exist_ok=True)
    return twin
