"""Memory of this process, as the kernel of Linux counts it."""


def memory(field: str) -> int:
    """Bytes that this process holds (`"VmRSS"`), or the most that it has held (`"VmHWM"`).

    From the kernel's status of the process: `getrusage` would count the process that started it.
    """
    with open("/proc/self/status", encoding="ascii") as status:
        values = dict(line.split(":", 1) for line in status)
    return int(values[field].removesuffix("kB\n")) * 1024
