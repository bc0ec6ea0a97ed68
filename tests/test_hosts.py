"""Hosts from tables and old inventories: every mistake at once, and no MAC misread."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pumphouse.host_files import COLUMNS, from_csv, from_yaml, read
from pumphouse.hosts import Host, Mac, mac

INVENTORY = """
ipmi_default: &auth {user: ipmi_user, password: secret}
ipmi:
  bmc.example: &bmc {auth: *auth, host: bmc.example}
hosts:
  node-1:
    gw: {ip: 10.0.0.1}
    ipmi: *bmc
    notes: [fuel.master, rack 3]
    interfaces:
      eth0: {ip: [10.0.0.2], hwaddr: 00:25:90:E7:46:D0, tags: [pxe]}
      eth1: {vlan: [101], hwaddr: 00:25:90:E7:46:D1}
      eth2: {vlan: []}
"""


@pytest.mark.parametrize(
    "text", ["52:54:00:AA:BB:0c", "52-54-00-aa-bb-0C", "5254.00aa.bb0c", "525400AABB0C"]
)
def test_usual_spellings_are_one_mac(text: str) -> None:
    """Labels, switches and operating systems all write it their way."""
    assert mac(text) == "52:54:00:aa:bb:0c"


@given(st.lists(st.integers(min_value=0, max_value=255), min_size=6, max_size=6))
def test_yaml_loses_no_mac(octets: list[int]) -> None:
    """YAML 1.1 reads 52:54:00:12:34:56 as a number in base 60: it is read back."""
    text = ":".join(f"{octet:02x}" for octet in octets)

    assert TypeAdapter(Mac).validate_python(yaml.safe_load(text)) == text


@pytest.mark.parametrize("text", ["", "x", "52:54:00:aa:bb", "52:54:00:aa:bb:0g"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ValidationError, match="for example 52:54:00:12:34:56"):
        TypeAdapter(Mac).validate_python(text)


def test_a_table_says_all_that_config_yaml_can() -> None:
    """Every column is a key; several MACs stand in one cell; an empty cell is the default."""
    text = (
        "host,address,port,user,password,boot_mac,macs,protocol,verify_tls,notes\n"
        "c-1,10.0.0.1,,root,pw,525400000001,525400000001; 525400000002,redfish,no,\n"
        "\n"
        'c-2,10.0.0.2,6230,root,pw,,,,,"rack 3, unit 7"\n'
    )

    hosts, problems = from_csv(text)

    assert problems == []
    one, two = (Host.model_validate(raw) for raw in hosts.values())
    assert one.bmc is not None
    assert (one.bmc.protocol, one.bmc.port, one.bmc.verify_tls) == ("redfish", 0, False)
    assert one.macs == ("52:54:00:00:00:01", "52:54:00:00:00:02")
    assert two.bmc is not None
    assert (two.bmc.endpoint, two.notes) == ("ipmi://10.0.0.2:6230", "rack 3, unit 7")


def test_a_wrong_table_gets_every_problem_with_its_line() -> None:
    """One round of corrections."""
    _, problems = from_csv("host,adress\nc-1,a\nc-1,b\n,c\nc-2\n")

    assert problems == [
        f"Column 'adress' is not known. Known here: {', '.join(COLUMNS)}.",
        "Line 3 is a second one for host c-1.",
        "Line 4 has no host.",
        "Line 5 does not have as many cells as the first line.",
    ]


def test_a_table_without_hosts_is_no_table() -> None:
    """The first line names the columns."""
    assert "must name the columns" in from_csv("10.0.0.1,root\n")[1][-1]


def test_the_first_pumphouse_s_inventory_is_understood() -> None:
    """BMC, MACs and notes; the tagged NIC boots."""
    hosts, problems = read(INVENTORY, "inventory.yaml")

    assert problems == []
    host = Host.model_validate(hosts["node-1"])
    assert host.boot_mac == "00:25:90:e7:46:d0"
    assert host.macs == ("00:25:90:e7:46:d0", "00:25:90:e7:46:d1")
    assert host.notes == "fuel.master, rack 3"
    assert host.bmc is not None
    assert (host.bmc.address, host.bmc.user) == ("bmc.example", "ipmi_user")


def test_without_a_tag_nobody_guesses_which_nic_boots() -> None:
    """A wrong guess would be waited for; the guards ask instead."""
    hosts, _ = from_yaml(INVENTORY.replace("tags: [pxe]", "tags: [fuel.api]"))

    assert "boot_mac" not in hosts["node-1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "It is not valid YAML: line 1"),
        ("a: {notes: 2024-13-45}", "this is no timestamp; put it in quotes"),
        ("- a", "It must be a mapping of hosts."),
        ("hosts: {a: [x]}", "hosts.a is not described as an inventory.yaml does it."),
        ("hosts: {a: {interfaces: {eth0: x}}}", "hosts.a is not described"),
    ],
)
def test_a_wrong_inventory_gets_a_sentence(text: str, said: str) -> None:
    """No traceback for a file that is something else."""
    assert said in from_yaml(text)[1][0]


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    """Any file may be named by mistake."""
    for name in ("hosts.csv", "inventory.yaml"):
        hosts, problems = read(text, name)
        assert isinstance(hosts, dict)
        assert all(isinstance(problem, str) for problem in problems)
