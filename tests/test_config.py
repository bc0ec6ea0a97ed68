"""The configuration: what it accepts, and how it says no."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from pumphouse.config import Config, Storage, bmc_block, cloud_block
from pumphouse.config_text import parse
from pumphouse.errors import ConfigError
from pumphouse.models import Mover, Role
from pumphouse.switches import Commands
from pumphouse.upgrade_options import UpgradeOptions

SAMPLE = Path(__file__).parent.parent / "samples" / "config.yaml"
SECRETS = {
    name: f"of {name}"
    for name in ("TARGET_PASSWORD", "FUEL_PASSWORD", "BMC_PASSWORD", "SWITCH_PASSWORD")
}
SHORT = "source: {entry: old}\ntarget: {entry: new}\n"


def problems(text: str, **environment: str) -> list[str]:
    """Return what is wrong with *text*."""
    with pytest.raises(ConfigError) as caught:
        parse(text, environment, "my.yaml")
    assert caught.value.origin == "my.yaml"
    return caught.value.problems


def keys(model: type[BaseModel], path: str = "") -> list[str]:
    """Return every key of *model*, nested ones with dots."""
    found = []
    for name, field in model.model_fields.items():
        found.append(f"{path}{name}")
        kinds = [field.annotation, *get_args(field.annotation)]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += keys(kind, f"{path}{name}.")
    return found


def test_two_entries_are_enough() -> None:
    """Everything but the clouds has a default."""
    config = parse(SHORT, {})

    assert config.name == "default"
    assert (config.source.entry, config.target.entry) == ("old", "new")
    assert Mover.IMAGE is config.migrate.mover


def test_the_sample_is_valid() -> None:
    """What we tell people to copy works."""
    config = parse(SAMPLE.read_text(), SECRETS)

    assert config.target.password is not None
    assert config.target.password.get_secret_value() == "of TARGET_PASSWORD"


def test_the_sample_shows_every_key() -> None:
    """A key that is not in the sample does not exist for an operator."""
    text = SAMPLE.read_text()
    of_either_cloud = re.compile(r"^(source|target)\.")
    names = {of_either_cloud.sub("", key).rpartition(".")[2] for key in keys(Config)}

    assert [n for n in sorted(names) if not re.search(rf"^[ #]*{n}:", text, re.M)] == []


def test_the_sample_gives_the_defaults() -> None:
    """A reader learns the defaults from the sample."""
    config = parse(SAMPLE.read_text(), SECRETS)
    short = parse(SHORT, {})

    assert short.limits == config.limits
    assert short.timeouts == config.timeouts
    assert short.migrate == config.migrate
    assert short.mappings == config.mappings
    assert short.maintenance == config.maintenance
    assert UpgradeOptions(environment="target") == config.upgrade
    assert short.release == config.release
    assert Commands() == config.switches["rack-3"].commands
    assert short.storage.url == config.storage.url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "It is not valid YAML: line 1, column 5"),
        ("- a\n", "It must be a mapping with the keys source and target."),
        ("source: {entry: a}\n", "target is required."),
        (SHORT + "limits: {copies: many}\n", "limits.copies: Input should be a valid integer"),
        (SHORT + "limits: {copies: 0}\n", "greater than or equal to 1"),
        (SHORT + "health_checks: {a: {of: [x]}}\n", "health_checks.a: give one of tcp, http"),
        (SHORT + "health_checks: {a: {of: ['hots:x'], ping: {}}}\n", "hots is no criterion"),
        (SHORT + "health_checks: {a: {of: [x], http: {url: 'http://{ip}'}}}\n", "{ip} is not kn"),
        (SHORT + "health_checks: {a: {of: [x], ping: {host: '{id:d}'}}}\n", "it is no template"),
        (SHORT + "health_checks: {'a b': {of: [x], ping: {}}}\n", "should match pattern"),
        (SHORT + "mappings: {flavor: {}}\n", "mappings.flavor is not a known key; did you mean"),
        (SHORT + "mappings: {flavors: {unnamed: any}}\n", "'create', 'require' or 'smallest'"),
        (SHORT + "mappings: {projects: {template: old}}\n", "it must have {name}"),
        (SHORT + "mappings: {users: {template: '{nam}'}}\n", "{nam} is not known; a template"),
        (SHORT + "mappings: {networks: {template: '{name}-{}'}}\n", "{} is not known; a template"),
        (SHORT + "mappings: {users: {names: {a: ' '}}}\n", "is empty"),
        (SHORT + "name: 2024-13-45\n", "line 3, column 7: this is no timestamp; put it in quotes"),
        (SHORT + "name: !!bool maybe\n", "line 3, column 7: this is no bool"),
        (SHORT + "limits: {}\nlimits: {}\n", "line 4, column 1: the key limits is there twice"),
        (SHORT + "mappings: {users: {names: {a: b, a: c}}}\n", "the key a is there twice"),
        ("a: &a {x: 1}\nb: {<<: *a, x: 2, x: 3}\n", "line 2, column 19: the key x is there twic"),
        (SHORT + "fuel: {url: x}\n", "fuel.url: it must begin with http"),
        (SHORT + "fuel: {url: 'http://f'}\n", "fuel: with url and username, give password"),
        (SHORT + "hosts: {a: {bmc: {user: u, password: p}}}\n", "hosts.a.bmc.address is required"),
        (SHORT + "hosts: {a: {bnc: {}}}\n", "hosts.a.bnc is not a known key; did you mean bmc?"),
        (SHORT + "hosts: {a: {boot_mac: x}}\n", "hosts.a.boot_mac: it must be a MAC address"),
        (SHORT + "hosts: hosts.csv\n", "hosts names the file hosts.csv, which cannot be read"),
        (SHORT + "upgrade: {probe: {img: x}}\n", "upgrade.probe.img is not a known key"),
        (SHORT + "upgrade: {fixed: {bonds: {b: {slaves: [a]}}}}\n", "at least 2 items"),
        (SHORT + "maintenance: {strategy: x}\n", "maintenance.strategy: Input should be 'auto'"),
        (SHORT + "storage: {web_url: x}\n", "storage.web_url: "),
        (SHORT + "release: {vlan: 4095}\n", "release.vlan: Input should be less than or equal"),
        (SHORT + "switches: {s: {address: a, user: u}}\n", "give a password or a key_file"),
        ("source: {}\ntarget: {entry: b}\n", "source: give either entry"),
        ("source: {auth_url: 'http://k'}\ntarget: {entry: b}\n", "username, password and proj"),
        ("source: {entry: 7}\ntarget: {entry: b}\n", "put the number in quotes"),
        (SHORT + "migrate: {mover: tape}\n", "'auto', 'image', 'rebuild', 'manage' or 'rbd'"),
        (SHORT + "migrate: {mover: rbd}\n", "is for volumes; choose one of auto, image, rebuild"),
    ],
)
def test_a_mistake_gets_one_sentence(text: str, said: str) -> None:
    """Key and what is allowed, in one sentence."""
    found = problems(text)

    assert len(found) == 1
    assert said in found[0]


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    """A typo is shown with what was probably meant."""
    found = problems("source: {entyr: a}\ntarget: {entry: b}\nlimit: {}\n")

    assert any("limit is not a known key; did you mean limits?" in text for text in found)
    typo = next(text for text in found if text.startswith("source.entyr"))
    assert "did you mean entry?" in typo
    assert "auth_url" in typo


def test_all_problems_come_at_once() -> None:
    """The operator fixes everything in one round."""
    assert len(problems(SHORT + "limits: {copies: 0, cutovers: 0, api_calls: 99}\n")) == 3


def test_what_is_merged_may_be_given_again() -> None:
    """That is what merging is for, also when what is merged was made by merging."""
    hosts = (
        "hosts:\n"
        "  a: {bmc: &b {<<: &a {user: u, password: p, port: 1}, address: x, port: 2}}\n"
        "  b: {bmc: {<<: *b, address: y, port: 3}}\n"
        "  c: {bmc: {<<: [*a, *b], address: z}, <<: {notes: n}, notes: o}\n"
    )
    found = parse(SHORT + hosts, {}).hosts

    bmcs = [host.bmc for host in found.values() if host.bmc]
    assert [(bmc.address, bmc.port) for bmc in bmcs] == [("x", 2), ("y", 3), ("z", 1)]
    assert found["c"].notes == "o"


def test_an_unset_reference_is_named() -> None:
    """Not an empty password, but the variable to export."""
    text = "source: {entry: '${NOT_SET}'}\ntarget: {entry: [x, '${NEITHER}']}\n"

    assert problems(text) == [
        "source.entry refers to ${NOT_SET}, which is not set; export NOT_SET.",
        "target.entry[1] refers to ${NEITHER}, which is not set; export NEITHER.",
    ]


def test_no_message_shows_a_secret() -> None:
    """A wrong value may be a password: messages never repeat values."""
    text = (
        "source: {auth_url: 'http://k', username: u, password: [hunter2], project_name: p}\n"
        "target: {entry: b, passwort: hunter2}\n"
    )

    assert "hunter2" not in " ".join(problems(text))


def test_printing_hides_secrets() -> None:
    """A configuration in a log is harmless."""
    text = "source: {auth_url: 'http://k', username: u, password: hunter2, project_name: p}\n"
    config = parse(text + "target: {entry: b}\n", {})

    assert "hunter2" not in repr(config)
    assert "hunter2" not in config.model_dump_json()


@pytest.mark.parametrize(
    ("storage", "location", "address"),
    [
        ({}, "/data/a.html", "file:///data/a.html"),
        ({}, "s3://b/a.html", "s3://b/a.html"),
        (
            {"url": "/data", "web_url": "https://r.example/p/"},
            "/data/runs/a.html",
            "https://r.example/p/runs/a.html",
        ),
        ({"url": "/data", "web_url": "https://r.example"}, "/else/a", "file:///else/a"),
        ({"url": "s3://b/p", "web_url": "https://r.example"}, "s3://b/p/a", "https://r.example/a"),
    ],
)
def test_a_report_has_an_address(storage: dict[str, Any], location: str, address: str) -> None:
    """Where a web server shows the folder, links go there."""
    assert address == Storage(**storage).link(location)


def test_blocks_are_named_after_the_site() -> None:
    """One server may hold several sites."""
    assert [cloud_block("x", role) for role in Role] == ["x-source", "x-target"]


def test_each_bmc_has_a_block_of_its_own() -> None:
    """Prefect takes small letters, digits and dashes; hosts that this makes equal stay apart."""
    names = {bmc_block("x", host) for host in ("c-1", "c.1", "C-1", "c_1")}

    assert len(names) == 4
    assert "x-bmc-c-1" in names
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


def test_hosts_may_lie_in_a_file_of_their_own() -> None:
    """References are filled in and mistakes told there as in config.yaml."""
    table = "host,address,user,password,boot_mac\nc-1,10.0.0.1,root,${PW},52-54-00-AA-00-01\n"

    config = parse(SHORT + "hosts: hosts.csv\n", {"PW": "s3"}, read=lambda name: table)

    host = config.hosts["c-1"]
    assert host.boot_mac == "52:54:00:aa:00:01"
    assert host.bmc is not None
    assert host.bmc.password.get_secret_value() == "s3"


def test_two_hosts_must_not_share_a_mac_or_a_bmc() -> None:
    """A reset meant for one must never hit the other."""
    bmc = "bmc: {address: 10.0.0.1, user: u, password: p}, boot_mac: '52:54:00:00:00:01'"

    found = " ".join(problems(SHORT + f"hosts: {{a: {{{bmc}}}, b: {{{bmc}}}}}\n"))

    assert "the MAC 52:54:00:00:00:01 belongs to a and b" in found
    assert "the BMC ipmi://10.0.0.1:623 belongs to a and b" in found
