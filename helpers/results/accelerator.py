"""What ran the virtual machines of a measurement, and what that does to its numbers."""

from __future__ import annotations

from dataclasses import dataclass

TCG = "tcg"


@dataclass(frozen=True)
class Accelerator:
    """What runs the guest's instructions: "kvm", "hvf", or "tcg" (emulation), and why."""

    name: str
    why: str

    @property
    def emulated(self) -> bool:
        """Whether each instruction of the guest is translated by software."""
        return self.name == TCG

    def text(self) -> str:
        """The accelerator in words, for a figure or a table."""
        return f"software emulation (QEMU TCG; {self.why})" if self.emulated else (
            f"hardware virtualisation ({self.name.upper()}; {self.why})")

    def short(self) -> str:
        """The accelerator in two or three words, for a title."""
        return "emulated in software" if self.emulated else "hardware virtualisation"

    def meaning(self) -> str:
        """One sentence: what this does to the virtual machine's numbers."""
        if self.emulated:
            return ("Here each instruction of the guest is translated by software, so the virtual\n"
                    "machine's seconds are several times what they are with hardware\n"
                    "virtualisation: this is not the fair case for the VM.")
        return ("The guest's instructions run on the processor itself, as on a server: this is\n"
                "the fair case for the VM.")
