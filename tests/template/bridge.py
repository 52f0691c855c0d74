"""Lets containers reach engines that listen on the host's loopback: `sam local` puts
them on Docker's own bridge, whatever network it is told.
"""

import asyncio
import json
import subprocess
import threading
from ipaddress import ip_network
from urllib.parse import urlsplit


def gateway():
    """The host's address on Docker's bridge, which nobody else reaches."""
    told = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    (config, *_) = json.loads(told.stdout)
    # Old engines say it only where it was set.
    return config.get("Gateway") or str(ip_network(config["Subnet"])[1])


async def _copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Bridge:
    """Passes connections on, in a thread of its own, as long as the program runs."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.host = gateway()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def to(self, address):
        """Where containers find what listens at this address."""
        port = urlsplit(address).port

        async def passed_on(reader, writer):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))

        async def serve():
            return await asyncio.start_server(passed_on, self.host, 0)

        server = asyncio.run_coroutine_threadsafe(serve(), self.loop).result(10)
        own = server.sockets[0].getsockname()[1]
        return f"http://{self.host}:{own}"
