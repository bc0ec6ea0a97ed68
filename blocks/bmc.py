"""How to reach the BMC of one host, as a Prefect block."""

from prefect.blocks.core import Block

from pumphouse.bmc import BmcAccess


class Bmc(BmcAccess, Block):
    """
    The BMC of one host: power and boot device, by IPMI or by Redfish.

    Tasks take this block, never a session: a block has a name, survives a process
    boundary, and shows no secret. `pumphouse.tasks.bmc.open_bmc` opens it.
    """

    _block_type_name = "Pumphouse BMC"
    _block_type_slug = "pumphouse-bmc"
    _description = "The BMC of one host, which switches its power and chooses what it boots."
