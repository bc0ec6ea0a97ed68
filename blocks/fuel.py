"""How to reach one Fuel master, as a Prefect block."""

from prefect.blocks.core import Block

from pumphouse.fuel_access import FuelAccess


class Fuel(FuelAccess, Block):
    """A Fuel master and the administrator's way into it; tasks take this block."""

    _block_type_name = "Fuel"
    _block_type_slug = "pumphouse-fuel"
    _description = "A Fuel master (Nailgun) that installs the hosts which Pumphouse moves."
