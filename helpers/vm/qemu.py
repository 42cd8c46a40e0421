"""The command line that boots a guest.

Source: QEMU's manual, "Invocation" and "Direct Linux boot".
"""

from __future__ import annotations

from helpers.vm.guests import Guest

TCG = "tcg"  # QEMU's software emulation
GUEST_PORT = 80
CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
BOARDS = {"x86_64": "pc", "aarch64": "virt"}
ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def program(architecture: str) -> str:
    """Return the name of the QEMU program that emulates an architecture."""
    return f"qemu-system-{architecture}"


def command(
    guest: Guest, folder: str, *, architecture: str, accelerator: str, listen: str, append: str = ""
) -> list[str]:
    """Return the command line that boots `guest` from its files in `folder`.

    `listen` ("address:port") is forwarded to the guest's port 80; `append` is added to the
    kernel's command line.
    """
    kernel_line = f"console={CONSOLES[architecture]} loglevel=6 panic=-1"
    if accelerator == TCG and architecture == "x86_64":
        # On a busy machine an emulated timer can be too late for the kernel's check, which panics.
        kernel_line += " no_timer_check"
    if guest.disk:
        kernel_line += " root=/dev/vda rw"
    line = [
        program(architecture),
        *("-machine", f"{BOARDS[architecture]},accel={accelerator}"),
        *("-cpu", "max" if accelerator == TCG else "host"),
        *("-m", f"{guest.memory_bytes >> 20}M"),
        # No screen and no keyboard: the serial console is connected to stdin and stdout.
        *("-nodefaults", "-nographic", "-no-reboot"),
        *("-serial", "stdio", "-monitor", "none"),
        *("-kernel", f"{folder}/{guest.kernel}", "-initrd", f"{folder}/{guest.initrd}"),
        *("-append", f"{kernel_line} {append}".strip()),
        *("-netdev", f"user,id=net,hostfwd=tcp:{listen}-:{GUEST_PORT}"),
        # Without a boot ROM the network card costs the firmware no time.
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]
    if guest.disk:  # with snapshot=on, QEMU discards what the guest writes
        line += ["-drive", f"file={folder}/{guest.disk},if=none,id=disk,snapshot=on"]
        line += ["-device", "virtio-blk-pci,drive=disk"]
    return line
