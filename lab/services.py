"""The commands of every service of a cloud."""

from lab.layout import Cloud
from lab.roster import compute_hosts

CHUNK_LIMIT_BYTES = 64 * 2**20

# Order matters little after Keystone, which all others ask for tokens.
APIS = ("keystone", "placement", "glance", "nova", "neutron", "cinder")


def api_commands(cloud: Cloud) -> dict[str, list[str]]:
    """Return the commands of the services that listen on a port."""
    if cloud.release.wsgi_only:
        modules = {
            "keystone": "keystone.wsgi.api",
            "placement": "placement.wsgi.api",
            "glance": "glance.wsgi.api",
            "nova": "nova.wsgi.osapi_compute",
            "neutron": "neutron.wsgi.api",
            "cinder": "cinder.wsgi.api",
        }
        commands = {
            name: uwsgi(cloud, name, "--module", f"{module}:application")
            for name, module in modules.items()
        }
        # Cinder's module takes its configuration from the command line only.
        commands["cinder"] += ["--pyargv", " ".join(_config(cloud, "cinder/cinder.conf"))]
        return commands
    return {
        "keystone": uwsgi(cloud, "keystone", "--wsgi-file", cloud.program("keystone-wsgi-public")),
        "placement": uwsgi(cloud, "placement", "--wsgi-file", cloud.program("placement-api")),
        "glance": _daemon(cloud, "glance-api", "glance/glance-api.conf"),
        "nova": _daemon(cloud, "nova-api", "nova/nova.conf"),
        "neutron": _daemon(
            cloud, "neutron-server", "neutron/neutron.conf", "neutron/ml2_conf.ini"
        ),
        "cinder": _daemon(cloud, "cinder-api", "cinder/cinder.conf"),
    }


def worker_commands(cloud: Cloud) -> dict[str, list[str]]:
    """Return the commands of the services that only speak over the message broker."""
    commands = {
        name: _daemon(cloud, name, "nova/nova.conf")
        for name in ("nova-conductor", "nova-scheduler")
    }
    for host in compute_hosts(cloud):
        commands[f"nova-compute-{host}"] = _daemon(
            cloud, "nova-compute", "nova/nova-compute.conf", f"nova-hosts/{host}.conf"
        )
    for name in ("cinder-scheduler", "cinder-volume"):
        commands[name] = _daemon(cloud, name, "cinder/cinder.conf")
    return commands


def uwsgi(cloud: Cloud, service: str, *application: str) -> list[str]:
    """Return the command of one WSGI application on the port of its service."""
    return [
        cloud.program("uwsgi"),
        *("--http-socket", f"127.0.0.1:{cloud.port(service)}"),
        *("--pyhome", str(cloud.venv)),
        *("--master", "--die-on-term", "--need-app", "--lazy-apps"),
        *("--processes", "1", "--threads", "4", "--enable-threads"),
        *("--buffer-size", "65535", "--disable-logging", "--socket-timeout", "120"),
        # Cinder uploads in chunks larger and later than the defaults (1 MiB, 4 s) allow.
        *("--http-chunked-input", "--chunked-input-limit", str(CHUNK_LIMIT_BYTES)),
        *("--chunked-input-timeout", "120"),
        # This socket of uwsgi's has no proper keep-alive.
        *("--add-header", "Connection: close"),
        *("--reload-mercy", "2", "--worker-reload-mercy", "2"),
        *("--procname-prefix", f"{cloud.name}-{service} "),
        *application,
    ]


def _daemon(cloud: Cloud, program: str, *configs: str) -> list[str]:
    return [cloud.program(program), *_config(cloud, *configs)]


def _config(cloud: Cloud, *configs: str) -> list[str]:
    words: list[str] = []
    for config in configs:
        words += ["--config-file", str(cloud.etc / config)]
    return words
