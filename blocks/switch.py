"""How to reach one switch, as a Prefect block."""

from prefect.blocks.core import Block

from pumphouse.switches import SwitchAccess


class Switch(SwitchAccess, Block):
    """A switch whose ports Pumphouse moves to another VLAN; tasks take this block."""

    _block_type_name = "Pumphouse Switch"
    _block_type_slug = "pumphouse-switch"
    _description = (
        "A switch whose ports are moved to Fuel's admin network when hosts are released."
    )
