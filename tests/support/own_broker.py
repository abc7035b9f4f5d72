"""A broker of a test's own, to be killed and started again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tokentrail.compose.embedded.ports import free_port
from tokentrail.compose.topics import create_topics
from tokentrail.errors import BrokerError
from tokentrail.settings import Settings


class OwnBroker:
    """A broker of the test's own, to be killed."""

    def __init__(self, data: Path) -> None:
        self.settings = Settings(kafka=f"127.0.0.1:{free_port()}", partitions=2)
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port = self.settings.kafka.rpartition(":")[2]
        command = [sys.executable, "-m", "tokentrail.compose.embedded.kafka", "--data", str(self._data), "--port", port]
        with (self._data.parent / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                asyncio.run(create_topics(self.settings))
            except BrokerError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError((self._data.parent / "broker.log").read_text()[-2000:])

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
