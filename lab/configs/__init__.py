"""Configuration files of every service of one cloud."""

from lab.configs import block_storage, compute, identity, images, networks
from lab.layout import Cloud, Lab


def write_configs(lab: Lab, cloud: Cloud) -> None:
    """Write all configuration of a cloud and make the directories that it names."""
    identity.write_keystone(lab, cloud)
    identity.write_placement(lab, cloud)
    images.write_glance(lab, cloud)
    compute.write_nova(lab, cloud)
    networks.write_neutron(lab, cloud)
    block_storage.write_cinder(lab, cloud)
