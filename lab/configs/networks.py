"""Neutron with the lab's own mechanism driver, router and forwarding plugins, and no agents."""

from lab.configs.common import copy_paste_file, credentials, service_sections
from lab.files import write_ini
from lab.layout import Cloud, Lab


def write_neutron(lab: Lab, cloud: Cloud) -> None:
    """Write neutron.conf and ml2_conf.ini."""
    conf = service_sections(lab, cloud, "neutron")
    conf["DEFAULT"] |= {
        "bind_host": "127.0.0.1",
        "bind_port": cloud.port("neutron"),
        "core_plugin": "ml2",
        "service_plugins": "lab_router,qos,trunk,lab_port_forwarding",
        "api_workers": 1,
        "rpc_workers": 0,
        "rpc_state_report_workers": 0,
        "notify_nova_on_port_status_changes": False,
        "notify_nova_on_port_data_changes": False,
        "network_auto_schedule": False,
        "router_auto_schedule": False,
        "api_paste_config": cloud.etc / "neutron" / "api-paste.ini",
        "dns_domain": "lab.",
    }
    if not cloud.release.wsgi_only:
        conf["DEFAULT"] |= {"allow_overlapping_ips": True, "wsgi_keep_alive": False}
    conf["nova"] = credentials(cloud, "nova")
    conf["placement"] = credentials(cloud, "placement")
    write_ini(cloud.etc / "neutron" / "neutron.conf", conf)
    write_ini(
        cloud.etc / "neutron" / "ml2_conf.ini",
        {
            "ml2": {
                "type_drivers": "flat,vlan,vxlan,local",
                "tenant_network_types": "vxlan",
                "mechanism_drivers": "lab",
                "extension_drivers": "port_security,qos,dns_domain_ports",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:2000"},
            "ml2_type_vxlan": {"vni_ranges": "1:20000"},
            "securitygroup": {"enable_security_group": True},
        },
    )
    copy_paste_file(cloud, "neutron")
