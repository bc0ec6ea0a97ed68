"""Plans that were written, read back from a file system or object store."""

from pumphouse import plan_files, plan_texts
from pumphouse.errors import ConfigError
from pumphouse.plan_files import Edits, PlanFile
from pumphouse.tasks.storage import Folder


def read_plan(location: str, site: str) -> tuple[PlanFile, Edits]:
    """
    Return the plan at *location*, a path or URL, and what was edited in it.

    Raises:
        ConfigError: It cannot be read, is not of *site*, or was edited where it must not be.
    """
    file = load_plan(location)
    if file.header.site != site:
        problem = f"It is a plan of the site {file.header.site}, not of {site}."
        raise ConfigError(location, [problem])
    return file, plan_files.edits(file, location)


def load_plan(location: str) -> PlanFile:
    """
    Return the plan at *location* as it stands there.

    Raises:
        ConfigError: It cannot be read, or is no plan.
    """
    home, _, name = location.rpartition("/")
    try:
        content = Folder(home or ("." if location == name else "/")).read(name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(location, [f"It cannot be read: {reason}."]) from None
    return plan_texts.read(content, location)
