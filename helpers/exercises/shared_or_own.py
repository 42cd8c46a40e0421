"""Chapter 01's exercise: what does a container see of the host, and what does a virtual machine?

Grading starts a container and a virtual machine, and compares what each sees with what the host
has. The reasons below say why; which answer is right is only decided by the comparison.
"""

from __future__ import annotations

from helpers.exercises.frame import Check, Task
from helpers.exercises.prediction import Answers, Prediction, Progress
from helpers.experiments.isolation.measure import compare_surroundings
from helpers.experiments.isolation.result import (
    CONTAINER,
    HOST,
    HOST_NAME,
    KERNEL,
    MEMORY,
    PROCESS_1,
    THINGS,
    UPTIME,
    VM,
    Surroundings,
)

TASK_ID = "01-shared-or-own"
HOSTS, OWN = ANSWERS = ("the host's", "its own")
# Why something is so, by who sees it, what it is, and whether it is the host's.
REASONS = {
    (CONTAINER, KERNEL, HOSTS): "An image contains no kernel, so a container has no kernel to "
    "boot.",
    (CONTAINER, PROCESS_1, OWN): "Its pid namespace numbers processes from 1.",
    (CONTAINER, HOST_NAME, OWN): "Its uts namespace has a host name, which Docker sets to the "
    "container's id.",
    (CONTAINER, MEMORY, HOSTS): "No namespace covers /proc/meminfo. Even with --memory 64m it "
    "shows the host's memory: a cgroup limits what a process can use, not what it sees.",
    (CONTAINER, UPTIME, HOSTS): "Starting a container boots nothing: the kernel has been running "
    "since the host booted.",
    (VM, KERNEL, OWN): "The virtual machine booted a kernel from its own files.",
    (VM, PROCESS_1, OWN): "The guest's kernel starts its own process 1.",
    (VM, HOST_NAME, OWN): "The host name is a setting of the kernel, and the guest has another "
    "kernel.",
    (VM, MEMORY, OWN): "The guest sees the RAM that QEMU gives it, 128 MiB, less what its kernel "
    "keeps for itself.",
    (VM, UPTIME, OWN): "The guest's kernel booted when the virtual machine was started.",
}


def make_task() -> Task:
    """Return the task; it needs no engine."""
    return Task(
        TASK_ID,
        "01",
        "The host's, or its own?",
        "prediction",
        "The same small server runs in a container and in a virtual machine. For each thing that "
        "it can look at, say whether it sees the host's, or has its own.",
        list_questions(),
        ANSWERS,
        "Check: start both and look",
    )


def list_questions() -> Answers:
    """Return the questions for container and virtual machine, none of them answered."""
    return {who: dict.fromkeys(THINGS) for who in (CONTAINER, VM)}


def measure(on_progress: Progress) -> Surroundings:
    """Look around in a container and in a virtual machine."""
    return compare_surroundings(on_progress)


def check_answer(who: str, thing: str, answer: str, surroundings: Surroundings) -> Check:
    """Return the check of one answer; a wrong one gets what was seen, and the reason."""
    name = f"{who}: {thing}"
    truth = HOSTS if surroundings.is_hosts(who, thing) else OWN
    if answer == truth:
        return Check(name, True)
    seen, host = surroundings.seen[who][thing], surroundings.seen[HOST][thing]
    what = f"the {who} sees {seen}, the host {'too' if seen == host else host}"
    reason = REASONS.get((who, thing, truth), "")
    return Check(name, False, hint=f"you said {answer}; it is {truth}: {what}. {reason}".rstrip())


EXERCISE = Prediction(TASK_ID, make_task, measure, check_answer, "group", "thing")
