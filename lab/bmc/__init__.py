"""The lab's BMCs: IPMI over UDP and Redfish over HTTPS, before the machines of `lab.metal`."""
