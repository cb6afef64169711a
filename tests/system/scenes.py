"""How the runner makes the world of a module."""
from world import World


def new(build, database):
    return World(build, database=database)


def ready(world):
    """A cloud side, a connector with one subaccount, an nginx behind it: connected."""
    world.bring_up()
