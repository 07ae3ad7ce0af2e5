"""Green threads in gdb: of a live process or of a core file, on x86_64.

    (gdb) source PATH/src/inspect/gdb.py
    (gdb) info greenthreads             all that have been spawned and have not ended
    (gdb) info greenthreads TEXT        those whose line has the text
    (gdb) greenthread ID                from here on `bt`, `up` and the rest show that one, as from frame 1 on
    (gdb) greenthread ID COMMAND        the command there only, such as `greenthread 7 bt`
    (gdb) greenthread all COMMAND       the command at each that is suspended
    (gdb) greenthread                   back to the OS thread

Nothing of the process is changed or called, so a core file will do: one that the system has written. That of gdb's own `gcore` has no
stacks where Linux is 6.13 or newer, as gdb leaves out what is near a guard that has no mapping of its own. Frame 0 stays that of the OS thread. A green thread that has never
been looked for has no id yet; it is shown by its address, which stands for one.

The program tells where things are by a table, `GREENTHREAD_DEBUGGER_TABLE`; so it needs its symbols, and debug information only for lines
and variables. Where a suspended one goes on is what the crate corosensei has left at the end of its stack: the return address, RBX, RBP.
"""

import re

import gdb
from gdb.unwinder import Unwinder

NAME = "GREENTHREAD_DEBUGGER_TABLE"
FIELDS = ["version", "blocks", "place_size", "place_word", "id", "meta", "control", "park", "reason", "name", "raw", "raw_size", "park_mask", "parked", "reason_count", "reasons"]
RESTS = 1


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return int.from_bytes(memory(address, 8), "little")


def text(address):
    start, length = word(address), word(address + 8)
    return memory(start, length).decode("utf-8", "replace") if start and length else ""


class Table:
    def __init__(self):
        listing = gdb.execute(f"info variables {NAME}", to_string=True)
        found = re.search(rf"^(0x[0-9a-f]+)\s+\S*{NAME}", listing, re.MULTILINE)
        if found:
            address = int(found.group(1), 16)
        else:
            found = re.search(rf"\S*{NAME}", listing[listing.find("\n") :].replace("static ", ""))
            if not found:
                raise gdb.GdbError("This program has no green threads, or no symbols.")
            told = gdb.execute(f"info address {found.group(0).rstrip(';:')}", to_string=True)
            address = int(re.search(r"0x[0-9a-f]+", told).group(0), 16)
        for at, field in enumerate(FIELDS):
            setattr(self, field, word(address + 8 * at))
        if self.version != 1:
            raise gdb.GdbError("The program is of another version of the library than this script.")

    def headers(self):
        block = self.blocks
        while block:
            before, places, count = word(block), word(block + 8), word(block + 16)
            data = memory(places, count * self.place_size)
            for at in range(count):
                start = at * self.place_size + self.place_word
                header = int.from_bytes(data[start : start + 8], "little") & ~1
                if header:
                    yield header
            block = before


class GreenThread:
    def __init__(self, table, header):
        self.address = header
        self.id = word(header + table.id)
        meta = word(header + table.meta)
        self.name = text(meta + table.name) if meta else ""
        self.control = word(header + table.control)
        self.parks = word(header + table.park) & table.park_mask == table.parked
        reason = memory(header + table.reason, 1)[0]
        self.reason = text(table.reasons + 16 * reason) if reason < table.reason_count else "something"
        self.raw = []
        self.stack_pointer = None
        if self.control > RESTS:
            self.raw = [word(self.control + table.raw + 8 * at) for at in range(table.raw_size // 8)]

    def state(self):
        if not self.control:
            return "has not started"
        if self.control == RESTS:
            return "is a future that waits" if self.parks else "is a future that is ready"
        if not self.stack_pointer:
            return "runs"
        return f"waits for {self.reason}" if self.parks else "is ready"

    def place(self):
        if not self.stack_pointer:
            return ""
        symbol = gdb.execute(f"info symbol {word(self.stack_pointer):#x}", to_string=True)
        return "" if symbol.startswith("No symbol") else symbol.split(" in section")[0].strip()

    def __str__(self):
        name = self.name or (f"green-{self.id}" if self.id else "")
        return f"{self.id or hex(self.address):>6}  {name:<24} {self.state()}"


def all_of_them():
    """They, with their stack pointers. Which word of corosensei's own part that is, the compiler decides: of two in the stack it is the
    lower one, as the other says where the stack began."""
    table = Table()
    found = [GreenThread(table, header) for header in table.headers()]
    votes = {}
    for thread in found:
        # Between the first word, or so, which is the base, and the limit lie the two.
        inside = sorted((value, at) for at, value in enumerate(thread.raw) if 0 < thread.control - value <= 1 << 26)
        limit = min((value for value, _ in inside), default=0)
        inside = [(value, at) for value, at in inside if value != limit]
        if len(inside) == 2:
            votes[inside[0][1]] = votes.get(inside[0][1], 0) + 1
    if votes:
        at = max(votes, key=votes.get)
        for thread in found:
            thread.stack_pointer = thread.raw[at] if thread.raw else None
    return sorted(found, key=lambda thread: (thread.id or 1 << 64, thread.address))


class Frame:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Looker(Unwinder):
    """Says that the selected green thread called the frame in which the OS thread is."""

    def __init__(self):
        super().__init__("greenthread")
        self.selected = None
        self.top = None
        self.bottom = None

    def select(self, thread):
        self.selected = None
        gdb.invalidate_cached_frames()
        if thread:
            newest = gdb.newest_frame()
            self.top = (int(newest.read_register("rsp")), newest.pc())
            self.selected = thread
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.selected:
            return None
        sp, pc = int(pending.read_register("rsp")), int(pending.read_register("rip"))
        long = gdb.lookup_type("long")
        if (sp, pc) == self.top:
            saved = self.selected.stack_pointer
            info = pending.create_unwind_info(Frame(gdb.Value(sp).cast(long), gdb.Value(pc).cast(long)))
            values = {"rip": word(saved), "rbx": word(saved + 8), "rbp": word(saved + 16), "rsp": saved + 24}
        elif 0 < self.selected.control - sp < 4096 and "stack_init_trampoline" in gdb.execute(f"info symbol {pc:#x}", to_string=True):
            info = pending.create_unwind_info(Frame(gdb.Value(sp).cast(long), gdb.Value(pc).cast(long)))
            # Behind it is whoever resumed it last, which is long gone.
            values = {"rip": 0, "rsp": sp + 8}
        else:
            return None
        for register, value in values.items():
            info.add_saved_register(register, gdb.Value(value - (1 << 64) if value >= 1 << 63 else value).cast(long))
        return info


LOOKER = Looker()
gdb.unwinder.register_unwinder(None, LOOKER, replace=True)


class InfoGreenThreads(gdb.Command):
    """Lists the green threads, with what they wait for; with an argument, those whose line has that text."""

    def __init__(self):
        super().__init__("info greenthreads", gdb.COMMAND_STATUS)

    def invoke(self, argument, _):
        shown = 0
        for thread in all_of_them():
            line = f"{thread}  {thread.place()}".rstrip()
            if argument in line:
                shown += 1
                print(line)
        print(f"{shown} green threads")


class SelectGreenThread(gdb.Command):
    """Shows a green thread from frame 1 on: `greenthread ID`, `greenthread ID COMMAND`, `greenthread all COMMAND`; without an argument,
    nothing but the OS thread."""

    def __init__(self):
        super().__init__("greenthread", gdb.COMMAND_STACK)

    def invoke(self, argument, _):
        wanted, _, command = argument.strip().partition(" ")
        if not wanted:
            LOOKER.select(None)
            return
        threads = all_of_them()
        if wanted != "all":
            number = int(wanted, 0)
            threads = [thread for thread in threads if number in (thread.id, thread.address)]
            if not threads:
                raise gdb.GdbError(f"There is no green thread {wanted}.")
            if not threads[0].stack_pointer:
                raise gdb.GdbError(f"It {threads[0].state()}, so it has no stack that waits.")
        elif not command:
            raise gdb.GdbError("Which command?")
        before = LOOKER.selected
        for thread in threads:
            if not thread.stack_pointer:
                continue
            LOOKER.select(thread)
            print(thread)
            if command:
                gdb.execute(command)
        if command:
            LOOKER.select(before)
        else:
            gdb.execute("frame 1")


def forget(_):
    LOOKER.select(None) if LOOKER.selected else None


# Where the process goes on, what was seen of it is no longer so.
gdb.events.cont.connect(forget)
InfoGreenThreads()
SelectGreenThread()
