"""The tasks that move a load balancer: make its copy, and send its floating IPs there."""

from contextlib import ExitStack

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pumphouse.bodies import Ids
from pumphouse.ledger import Entry, Status, entry
from pumphouse.models import Role
from pumphouse.plan import DONE, Item
from pumphouse.tasks import balancers, vip_addresses
from pumphouse.tasks.bookkeeping import Book
from pumphouse.tasks.moving import Clock, Work


@task(task_run_name="make load balancer {item.name}", cache_policy=NO_CACHE)
def make_load_balancer(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Make one load balancer whole. A finished copy is found by its tag.

    Raises:
        WaitFailed, RequestFailed: It is not at the target, or not whole.
    """
    clock, timeout_s = Clock(), work.pair.timeouts.load_balancer_s
    with ExitStack() as stack:
        target = work.open(stack, Role.TARGET)
        target_id = balancers.make(target, item, ids, timeout_s, work.stop)
    return clock.entry(item, target_id, (target,))


@task(task_run_name="switch to load balancer {item.name}", cache_policy=NO_CACHE)
def switch_load_balancer(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Send the floating IPs of one load balancer to its copy.

    Raises:
        PumphouseError: One could not go over; it leads to the source's as before.
    """
    clock, copy_id = Clock(), ids["load_balancers"][item.source_id]
    with ExitStack() as stack:
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        done = vip_addresses.take_over(source, target, item, copy_id, ids)
    get_run_logger().info("load balancer %s: %s at the target", item.name, ", ".join(done))
    return clock.entry(item, copy_id, (source, target))


def make_all(work: Work, book: Book) -> None:
    """Make the load balancers of a plan, so many at once as the site's limit of calls is."""
    items = book.plan.of("load_balancers")
    size = work.pair.limits.api_calls
    for start in range(0, len(items), size):
        book.each(work, make_load_balancer, items[start : start + size])


def switch_all(work: Work, book: Book) -> None:
    """Send the floating IPs of load balancers over; not where servers behind one did not move."""
    for item in book.plan.of("load_balancers"):
        if item.action in DONE or item.key in book.failed or not item.row["floating_ips"]:
            continue
        staying = [id_ for id_ in item.row["server_ids"] if f"servers:{id_}" in book.failed]
        if staying:
            addresses = ", ".join(f["floating_ip_address"] for f in item.row["floating_ips"])
            words = (
                f"It is at the target, and its floating IP {addresses} still leads to the "
                f"source's, as behind it server {', '.join(staying)} did not move. Run the same "
                "migration again."
            )
            book.note(entry(item, Status.FAILED, words))
        else:
            book.each(work, switch_load_balancer, [item])
