"""The command line that boots a guest: plain text, made here and nowhere else.

Source: QEMU's manual, "Invocation" and "Direct Linux boot". Knows nothing of where QEMU runs.
"""

from __future__ import annotations

from helpers.engine.vm.guests import Guest
from helpers.results.accelerator import TCG

GUEST_PORT = 80
CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
BOARDS = {"x86_64": "pc", "aarch64": "virt"}
ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def program(architecture: str) -> str:
    """The name of the QEMU program for a machine's own architecture."""
    return f"qemu-system-{architecture}"


def command(guest: Guest, folder: str, *, architecture: str, accelerator: str,
            listen: str, append: str = "") -> list[str]:
    """The command line that boots `guest`, its files in `folder`.

    The guest's port 80 is answered at `listen` ("address:port"); `append` is added to the
    kernel's command line.
    """
    kernel_line = f"console={CONSOLES[architecture]} loglevel=6 panic=-1"
    if guest.disk:
        kernel_line += " root=/dev/vda rw"
    line = [program(architecture), "-machine", f"{BOARDS[architecture]},accel={accelerator}",
            "-cpu", "max" if accelerator == TCG else "host", "-m", f"{guest.memory_bytes >> 20}M",
            # No screen, no keyboard: the serial console is all there is, and goes to our pipe.
            "-nodefaults", "-nographic", "-serial", "stdio", "-monitor", "none", "-no-reboot",
            "-kernel", f"{folder}/{guest.kernel}", "-initrd", f"{folder}/{guest.initrd}",
            "-append", f"{kernel_line} {append}".strip(),
            "-netdev", f"user,id=net,hostfwd=tcp:{listen}-:{GUEST_PORT}",
            # Without its boot ROM the card costs the firmware no time.
            "-device", "virtio-net-pci,netdev=net,romfile="]
    if guest.disk:      # what the guest writes is thrown away with it
        line += ["-drive", f"file={folder}/{guest.disk},if=none,id=disk,snapshot=on",
                 "-device", "virtio-blk-pci,drive=disk"]
    return line
