"""Port forwardings of floating IPs beside the lab's own router plugin: no
stock one is loaded, no L3 agent is told."""
from neutron.services.portforwarding import pf_plugin


class LabPortForwardingPlugin(pf_plugin.PortForwardingPlugin):
    required_service_plugins = []
    _rpc_notifications_required = False
