"""One MariaDB and one RabbitMQ for both clouds, on ports and directories of their own.

Debian's own services are never touched: other data directories, other ports, and its
wrapper scripts, which would switch to another user, are passed by.
"""

import json
import os

from lab.commands import run
from lab.files import write
from lab.layout import PASSWORD, Lab
from lab.processes import Processes
from lab.waiting import wait_port

DATABASE = "mysql"
BROKER = "rabbit"
BROKER_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def start_infrastructure(lab: Lab, processes: Processes) -> None:
    """Start the database server and the broker and wait until both listen."""
    start_broker(lab, processes)
    start_database(lab, processes)
    wait_port(lab.broker_port, "the message broker", processes.log(BROKER))


def start_database(lab: Lab, processes: Processes) -> None:
    """Start MariaDB with no durability: a crash of the machine may cost the lab's data."""
    data = lab.run / "mysql"
    if not (data / "mysql").exists():
        run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            log=lab.logs / "mysql-install.log",
        )
    argv = [
        "mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--socket={lab.database_socket}",
        f"--pid-file={lab.run / 'mysql.pid'}",
        "--bind-address=127.0.0.1",
        f"--port={lab.database_port}",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--max-connections=2000",
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=512M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-flush-method=nosync",
        "--innodb-log-file-size=128M",
        "--innodb-fast-shutdown=1",
        "--character-set-server=utf8mb3",
        "--collation-server=utf8mb3_general_ci",
        "--table-open-cache=4000",
        "--open-files-limit=20000",
    ]
    processes.start(DATABASE, argv, os.environ)
    wait_port(lab.database_port, "the database server", processes.log(DATABASE))


def start_broker(lab: Lab, processes: Processes) -> None:
    """Start RabbitMQ with a virtual host for each cloud, on loopback only."""
    home = lab.run / "rabbit"
    _write_broker_files(lab)
    env = {
        **os.environ,
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"pumphouse{lab.broker_port}@localhost",
        "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
        "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
        "RABBITMQ_LOG_BASE": f"{home}/log",
        "RABBITMQ_PID_FILE": f"{home}/pid",
        "RABBITMQ_DIST_PORT": str(lab.broker_port + 1),
        "ERL_EPMD_PORT": str(epmd_port(lab)),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    processes.start(BROKER, [BROKER_PROGRAM], env)


def epmd_port(lab: Lab) -> int:
    """Return the port of Erlang's port mapper, which outlives the broker."""
    return lab.broker_port - 1


def sql(lab: Lab, statements: str) -> str:
    """Run statements as root and return the rows, columns separated by tabs."""
    return run(
        [
            "mariadb",
            "--no-defaults",
            "-uroot",
            "-S",
            lab.database_socket,
            "-N",
            "-B",
            "-e",
            statements,
        ]
    )


def _write_broker_files(lab: Lab) -> None:
    home = lab.run / "rabbit"
    names = [cloud.name for cloud in lab.clouds]
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": "lab", "password": PASSWORD, "tags": "administrator"}],
        "vhosts": [{"name": name} for name in names],
        "permissions": [{"user": "lab", "vhost": name, **everything} for name in names],
    }
    write(home / "definitions.json", json.dumps(definitions))
    write(
        home / "rabbitmq.conf",
        f"listeners.tcp.1 = 127.0.0.1:{lab.broker_port}\n"
        f"load_definitions = {home}/definitions.json\n"
        "log.file.level = warning\n"
        "vm_memory_high_watermark.relative = 0.4\n",
    )
    write(home / "advanced.config", "[{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}].\n")
    write(home / "enabled_plugins", "[].\n")
