"""What an operator may choose about the end of a migration: the section ``finalize``."""

from pydantic import BaseModel, ConfigDict, Field

SECONDS = {"m": 60, "h": 3600, "d": 86400}


class FinalizeOptions(BaseModel):
    """When the source's things may be deleted."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, title="Finalize")

    grace_period: str = Field(
        default="7d",
        pattern=r"^\d+[mhd]$",
        title="Grace period",
        description="From a verified copy until its source may be deleted: 30m, 12h, 7d.",
    )

    @property
    def grace_s(self) -> float:
        """The grace period in seconds."""
        return float(int(self.grace_period[:-1]) * SECONDS[self.grace_period[-1]])
